// Distributions: from its message to a batch, and from a teacher's answers to messages of a bounded size.
import { AppError, at, quietContext } from '#base';
import type { TeacherAnswers } from '#distill';
import type { InferenceBackend } from '#jobs';
import { hostTensor, int64 } from '#tensor';
import type { TrainingBatch } from '#train';
import type { DistributionsRequest__Output } from '../gen/athanor/v1/DistributionsRequest.ts';
import type { DistributionsResponse } from '../gen/athanor/v1/DistributionsResponse.ts';
import type { TokenIds__Output } from '../gen/athanor/v1/TokenIds.ts';

/** Of the rows in one message, about; a single row may be larger. */
const messageBytes = 2 * 2 ** 20;
/** Places of a batch that one call may ask for. */
const largestBatch = 2 ** 20;

export async function* distributions(
  inference: InferenceBackend,
  message: DistributionsRequest__Output,
  signal: AbortSignal,
): AsyncGenerator<DistributionsResponse> {
  const { model, temperature = 1, topK, tokenizerHash } = message;
  if (!(Number.isFinite(temperature) && temperature > 0)) throw invalid('temperature', `must be above 0, got ${temperature}`);
  const form = topK === undefined ? ({ kind: 'full' } as const) : ({ kind: 'top', topK } as const);
  const question = { batch: batchOf(message), form, temperature, tokenizerHash };
  yield* messagesOf(await inference.distributions(model, question, { ...quietContext, signal }), await choicesOf(inference, model, topK));
}

/** Answers of a row where only some are sent. */
async function choicesOf(inference: InferenceBackend, model: string, topK: number | undefined): Promise<number> {
  if (topK === undefined) return 0;
  const { labels, vocabularySize } = await inference.describe(model);
  return labels?.length ?? vocabularySize;
}

function* messagesOf(answers: TeacherAnswers, choices: number): Generator<DistributionsResponse> {
  if (answers.kind === 'full') {
    const { choices: all, logProbabilities } = answers;
    const rows = logProbabilities.length / all;
    for (const [first, count] of pieces(rows, 2 * all)) {
      const piece = logProbabilities.subarray(first * all, (first + count) * all);
      yield { rows: count, choices: all, logProbabilities: bytesOf(piece) };
    }
    return;
  }
  const { topK, ids, logProbabilities, logTails } = answers;
  for (const [first, count] of pieces(logTails.length, 8 * topK + 4))
    yield {
      rows: count,
      choices,
      ids: bytesOf(ids.subarray(first * topK, (first + count) * topK)),
      logProbabilities: bytesOf(logProbabilities.subarray(first * topK, (first + count) * topK)),
      logTails: bytesOf(logTails.subarray(first, first + count)),
    };
}

/** First row and number of rows of each message. */
function* pieces(rows: number, rowBytes: number): Generator<readonly [number, number]> {
  const most = Math.max(1, Math.floor(messageBytes / rowBytes));
  for (let first = 0; first < rows; first += most) yield [first, Math.min(most, rows - first)];
}

function bytesOf(array: Uint16Array | Int32Array | Float32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** @throws AppError `invalid_argument` */
function batchOf({ sequences, length, sources, sourceLength, tokenTypes, rows }: DistributionsRequest__Output): TrainingBatch {
  const B = sequences.length;
  if (B === 0) throw invalid('sequences', 'must hold at least one');
  checkLengths(sequences, length, 'sequences', 'length');
  if (sources.length > 0) {
    if (sources.length !== B) throw invalid('sources', `must be one for each of the ${B} sequences, got ${sources.length}`);
    checkLengths(sources, sourceLength, 'sources', 'source_length');
    const { tokens: source, mask: sourceMask } = padded(sources, sourceLength, 0n);
    return { source, sourceMask, labels: padded(sequences, length, -1n).tokens };
  }
  const { tokens, mask } = padded(sequences, length, 0n);
  if (tokenTypes.length > 0 && tokenTypes.some(({ ids }, index) => ids.length !== at(sequences, index).ids.length))
    throw invalid('token_types', 'must be one for each token of each sequence');
  const wrong = rows.find((row) => row >= B * length);
  if (wrong !== undefined) throw invalid('rows', `${wrong} is outside the ${B} sequences of ${length} tokens`);
  return {
    tokens,
    mask,
    labels: hostTensor('int64', rows.length > 0 ? [rows.length] : [B, length]),
    ...(tokenTypes.length > 0 ? { tokenTypes: padded(tokenTypes, length, 0n).tokens } : {}),
    ...(rows.length > 0 ? { rows: int64([rows.length], rows) } : {}),
  };
}

function checkLengths(lists: readonly TokenIds__Output[], length: number, field: string, lengthField: string): void {
  if (length < 1 || length * lists.length > largestBatch)
    throw invalid(lengthField, `must be from 1 to ${Math.floor(largestBatch / lists.length)} for ${lists.length} ${field}, got ${length}`);
  const wrong = lists.findIndex(({ ids }) => ids.length === 0 || ids.length > length);
  if (wrong >= 0) throw invalid(`${field}[${wrong}]`, `has ${at(lists, wrong).ids.length} tokens; 1 to ${length} fit`);
}

function padded(lists: readonly TokenIds__Output[], length: number, pad: bigint) {
  const shape = [lists.length, length];
  const tokens = hostTensor('int64', shape, new BigInt64Array(lists.length * length).fill(pad));
  const mask = hostTensor('bool', shape);
  for (const [row, { ids }] of lists.entries()) {
    tokens.data.set(BigInt64Array.from(ids, BigInt), row * length);
    mask.data.fill(1, row * length, row * length + ids.length);
  }
  return { tokens, mask };
}

function invalid(field: string, what: string): AppError {
  return new AppError('invalid_argument', `${field}: ${what}.`, { details: { field } });
}
