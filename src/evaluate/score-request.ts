// What a caller wants scored, and the token ids that it means.
import { AppError } from '#base';
import { type ModelConfig, textPositions } from '#models';
import type { Tokenizer } from '#text';

/** Texts, or token ids that are taken as they are. */
export interface ScoreRequest {
  readonly context: string | ArrayLike<number>;
  readonly continuation: string | ArrayLike<number>;
}

/** A request as ids: `tokens` are read, the labels are the last `labels.length` tokens that should follow. */
export interface EncodedRequest {
  readonly tokens: Int32Array;
  readonly labels: Int32Array;
}

/**
 * The ids of a request, as lm-evaluation-harness finds them.
 *
 * @param index - of the request, for messages
 * @throws AppError `invalid_argument` | `context_too_long`, with the field
 */
export function encodeRequest(request: ScoreRequest, index: number, tokenizer: Tokenizer, config: ModelConfig): EncodedRequest {
  const place = `pairs[${index}]`;
  const positions = textPositions(config);
  const [before, after] = partsOf(request, place, tokenizer, config);
  if (after.length === 0)
    throw fieldError(
      `${place}.continuation`,
      typeof request.continuation === 'string' && request.continuation !== ''
        ? `"${request.continuation.slice(0, 40)}" adds no token to its context. Move the end of the context into the continuation.`
        : 'is empty. Give at least one token to score.',
    );
  if (after.length > positions)
    throw new AppError(
      'context_too_long',
      `${place}.continuation: has ${after.length} tokens, the model ${positions} positions. Score it in pieces.`,
      { details: { field: `${place}.continuation`, tokens: after.length, limit: positions } },
    );
  const whole = Int32Array.of(...before, ...after);
  // The last token is only a label; what does not fit is cut from the start of the context.
  return { tokens: whole.subarray(Math.max(0, whole.length - 1 - positions), whole.length - 1), labels: after };
}

function fieldError(field: string, problem: string): AppError {
  return new AppError('invalid_argument', `${field}: ${problem}`, { details: { field } });
}

type Parts = readonly [Int32Array, Int32Array];

function partsOf({ context, continuation }: ScoreRequest, place: string, tokenizer: Tokenizer, config: ModelConfig): Parts {
  const encode = (text: string): Int32Array => tokenizer.encode(text, { addSpecialTokens: false });
  const known = (part: string | ArrayLike<number>, field: string): Int32Array =>
    typeof part === 'string' ? encode(part) : checkedIds(part, `${place}.${field}`, config);
  if (typeof context !== 'string' || typeof continuation !== 'string') {
    const after = known(continuation, 'continuation');
    return context.length === 0 ? withoutContext(after, tokenizer, place) : [known(context, 'context'), after];
  }
  const trimmed = context.trimEnd();
  const text = context.slice(trimmed.length) + continuation;
  if (text === '') return [new Int32Array(0), new Int32Array(0)];
  return trimmed === '' ? withoutContext(encode(text), tokenizer, place) : splitAt(encode(trimmed + text), encode(trimmed).length);
}

function checkedIds(ids: ArrayLike<number>, field: string, { vocabularySize }: ModelConfig): Int32Array {
  const unknown = Array.from(ids).findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabularySize));
  if (unknown < 0) return Int32Array.from(ids);
  throw fieldError(field, `token ${ids[unknown]} at position ${unknown} is outside 0..${vocabularySize - 1}.`);
}

function splitAt(ids: Int32Array, length: number): Parts {
  return [ids.subarray(0, length), ids.subarray(length)];
}

/** A text that begins with the begin token itself keeps it as its context. */
function withoutContext(ids: Int32Array, tokenizer: Tokenizer, place: string): Parts {
  const prefix = tokenizer.beginToken ?? tokenizer.endTokens[0];
  if (prefix === undefined)
    throw fieldError(`${place}.context`, 'is empty, and the tokenizer has no begin or end token to stand for it. Give a context.');
  return ids[0] === prefix ? splitAt(ids, 1) : [Int32Array.of(prefix), ids];
}
