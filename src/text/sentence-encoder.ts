// Texts and pairs of texts as an encoder reads them: with special tokens, cut to a length, padded to batches.
import { AppError, at, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import type { LabelledRow } from './labelled-data.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One text, or a pair as one sequence. */
export interface EncodedText {
  /** With special tokens, without padding. */
  readonly ids: Int32Array;
  /** The text of a pair that each token belongs to: 0 or 1. */
  readonly types: Uint8Array;
}

/** A text that was encoded to at most so many tokens. */
export interface CutText extends EncodedText {
  /** Tokens that each part lost, of a pair the second's too. */
  readonly cutTokens: readonly [number, number];
}

export interface LabelledText extends EncodedText {
  /** Index of the label. */
  readonly label: number;
}

/** Encodes texts to at most so many tokens. Safe to share. */
export class SentenceEncoder {
  readonly maxTokens: number;
  readonly #tokenizer: Tokenizer;
  readonly #addsSpecial: boolean;

  /**
   * @param addsSpecial - whether texts get the special tokens around them; true when absent
   * @throws AppError `invalid_argument` when the special tokens alone are more than `maxTokens`
   */
  constructor(tokenizer: Tokenizer, maxTokens: number, addsSpecial = true) {
    const specials = addsSpecial ? tokenizer.specialLayout(true).filter((item) => 'id' in item).length : 0;
    if (!Number.isInteger(maxTokens) || maxTokens <= specials)
      throw new AppError('invalid_argument', `maxTokens: must be a whole number above the ${specials} special tokens, got ${maxTokens}.`, {
        details: { field: 'maxTokens' },
      });
    this.maxTokens = maxTokens;
    this.#tokenizer = tokenizer;
    this.#addsSpecial = addsSpecial;
  }

  /** Texts that are too long lose their ends; of a pair the longer one loses first. */
  encode(text: string, pair?: string): CutText {
    const layout = this.#tokenizer.specialLayout(pair !== undefined).filter((item) => this.#addsSpecial || 'part' in item);
    const encode = (part: string | undefined): Int32Array =>
      part === undefined ? new Int32Array(0) : this.#tokenizer.encode(part, { addSpecialTokens: false });
    const parts = [encode(text), encode(pair)] as const;
    const room = this.maxTokens - layout.filter((item) => 'id' in item).length;
    const lengths = truncatedLengths(parts[0].length, parts[1].length, room);
    const ids: number[] = [];
    const types: number[] = [];
    for (const item of layout) {
      const tokens = 'id' in item ? [item.id] : at(parts, item.part).subarray(0, lengths[item.part]);
      for (const id of tokens) {
        ids.push(id);
        types.push(item.type);
      }
    }
    return {
      ids: Int32Array.from(ids),
      types: Uint8Array.from(types),
      cutTokens: [parts[0].length - lengths[0], parts[1].length - lengths[1]],
    };
  }
}

/** As the library `tokenizers` does with the strategy `longest_first`. */
function truncatedLengths(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const [shorter, longer] = [Math.min(first, second), Math.max(first, second)];
  const half = Math.floor(room / 2);
  const kept = shorter <= half ? ([shorter, Math.min(longer, room - shorter)] as const) : ([half, room - half] as const);
  return first > second ? [kept[1], kept[0]] : kept;
}

/**
 * Encodes labelled rows, with turns for the event loop.
 *
 * @param labels - the names that the model gives its labels, in their order
 * @throws AppError `bad_data` for a label that is not one of them | `cancelled`
 */
export async function encodeLabelled(
  rows: readonly LabelledRow[],
  labels: readonly string[],
  encoder: SentenceEncoder,
  context: OperationContext,
): Promise<LabelledText[]> {
  const numbers = new Map(labels.map((label, index) => [label, index] as const));
  const texts: LabelledText[] = [];
  for (const [index, { text, pair, label }] of rows.entries()) {
    const number = numbers.get(label);
    if (number === undefined)
      throw new AppError(
        'bad_data',
        `text ${index + 1}: label "${label}" is none of the model's: ${labels.join(', ')}. Name them in the task.`,
      );
    const { ids, types } = encoder.encode(text, pair);
    texts.push({ ids, types, label: number });
    if (index % rowsPerTurn !== rowsPerTurn - 1) continue;
    throwIfCancelled(context.signal);
    context.report({ phase: 'tokenize', step: index + 1, total: rows.length });
    await yieldToEventLoop();
  }
  return texts;
}

const rowsPerTurn = 256;

/** Texts as tensors, all [B, T]. */
export interface PaddedTexts {
  readonly tokens: HostTensor<'int64'>;
  /** True for real tokens. */
  readonly mask: HostTensor<'bool'>;
  readonly tokenTypes: HostTensor<'int64'>;
}

/** Puts texts under each other, padded on the right to `length`, which no text may exceed. */
export function padTexts(texts: readonly EncodedText[], length: number, padToken: number): PaddedTexts {
  const shape = [texts.length, length];
  const tokens = hostTensor('int64', shape);
  const mask = hostTensor('bool', shape);
  const tokenTypes = hostTensor('int64', shape);
  tokens.data.fill(BigInt(padToken));
  for (const [row, { ids, types }] of texts.entries()) {
    if (ids.length > length)
      throw new AppError(
        'context_too_long',
        `text ${row + 1} of a batch has ${ids.length} tokens, room is for ${length}. Cut it, or allow more.`,
      );
    for (let column = 0; column < ids.length; column++) {
      const place = row * length + column;
      tokens.data[place] = BigInt(at(ids, column));
      mask.data[place] = 1;
      tokenTypes.data[place] = BigInt(at(types, column));
    }
  }
  return { tokens, mask, tokenTypes };
}
