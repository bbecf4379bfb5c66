// Data that a compression is measured on: what the job was given for it, or a share of its data that nothing is trained or calibrated on.
import { AppError, type OperationContext, Random } from '#base';
import type { HeldOut, Measures } from '#compress';
import type { Engine } from '#engine';
import { evaluateClassifier, evaluateModel, evaluatePairs, measureLatency } from '#evaluate';
import { isEncoderDecoder, type Model, taskOf } from '#models';
import type { TokenCorpus, Tokenizer } from '#text';
import type { JobData } from './job-data.ts';

/** One part in so many is held out. */
const heldOutEvery = 10;
/** More would cost time and tell little. */
const mostTokens = 32_768;
const mostRows = 1_000;
const drawSeed = 1;

export interface SplitData {
  /** What steps learn from; its fingerprint says that a part is missing. */
  readonly rest: JobData;
  readonly heldOut: JobData;
}

/**
 * Sets a share of a job's data aside: a tenth, at most 32,768 tokens at the end of a text, or 1,000 rows from all over.
 *
 * @throws AppError `empty_data` for data that is too short to be shared
 */
export function splitData(data: JobData, tokenizer: Pick<Tokenizer, 'decode'>): SplitData {
  if ('texts' in data) {
    const { rest, heldOut } = spread(data.texts);
    return { rest: named({ ...data, texts: rest }, data), heldOut: { ...data, texts: heldOut } };
  }
  if ('pairs' in data) {
    const { rest, heldOut } = spread(data.pairs);
    return { rest: named({ ...data, pairs: rest }, data), heldOut: { ...data, pairs: heldOut } };
  }
  if ('lines' in data) {
    const { rest, heldOut } = spread(data.lines);
    return { rest: named({ ...data, lines: rest }, data), heldOut: { ...data, lines: heldOut } };
  }
  return splitTokens(data, tokenizer);
}

function named(rest: JobData, { fingerprint }: JobData): JobData {
  return { ...rest, fingerprint: `${fingerprint} without its held-out share` };
}

/** A tenth of the rows, drawn at random and the same each time: rows may come in the order of their labels, or take turns. */
function spread<Row>(rows: readonly Row[]): { readonly rest: readonly Row[]; readonly heldOut: readonly Row[] } {
  const count = Math.min(mostRows, Math.floor(rows.length / heldOutEvery));
  if (count === 0) throw tooShort(`${rows.length} rows`);
  const drawn = new Set(new Random(drawSeed).permutation(rows.length).slice(0, count));
  return { rest: rows.filter((_, index) => !drawn.has(index)), heldOut: rows.filter((_, index) => drawn.has(index)) };
}

function splitTokens(corpus: TokenCorpus, tokenizer: Pick<Tokenizer, 'decode'>): SplitData {
  const { tokens, documentStarts } = corpus;
  const wanted = Math.min(mostTokens, Math.floor(tokens.length / heldOutEvery));
  if (wanted < 2) throw tooShort(`${tokens.length} tokens`);
  const from = tokens.length - wanted;
  const tail = tokens.slice(from);
  const startsInTail = documentStarts.filter((start) => start > from).map((start) => start - from);
  // Separators stand for no text.
  const separators = new Set(Array.from(startsInTail, (start) => start - 1));
  const text = tokenizer.decode(
    tail.filter((_, index) => !separators.has(index)),
    { skipSpecialTokens: false },
  );
  const bytes = Math.min(corpus.bytes, Buffer.byteLength(text));
  const rest = {
    ...corpus,
    tokens: tokens.slice(0, from),
    documentStarts: documentStarts.filter((start) => start < from),
    bytes: corpus.bytes - bytes,
  };
  return {
    rest: named(rest, corpus),
    heldOut: { ...corpus, tokens: tail, documentStarts: Int32Array.from([0, ...startsInTail]), bytes },
  };
}

function tooShort(size: string): AppError {
  return new AppError('empty_data', `data: a share of ${size} is too little to measure on. Give "validation", or more data.`);
}

/** What gates, searches and stages are measured with. */
export function heldOutOf(data: JobData, engine: Engine): HeldOut {
  return {
    fits: (model) => !('lines' in data) && (!('texts' in data) || taskOf(model.config).kind === 'classify'),
    measure: (model, context) => measureOn(model, data, engine, context),
    latencyMs: (model, context) => decodeMs(model, engine, context),
  };
}

async function measureOn(model: Model, data: JobData, engine: Engine, context: OperationContext): Promise<Measures> {
  if ('texts' in data) {
    const { lossNats, accuracy, f1, matthews } = await evaluateClassifier(model, data, engine, context);
    return { loss: lossNats, accuracy, f1, matthews };
  }
  if ('pairs' in data) {
    const { lossNats, accuracy } = await evaluatePairs(model, data, engine, context);
    return { loss: lossNats, perplexity: Math.exp(lossNats), accuracy };
  }
  if ('lines' in data)
    throw new AppError(
      'unsupported',
      'held-out data: models of hidden tokens are not measured, since other tokens are hidden each time. Leave out gates, searches and validation.',
    );
  const { lossNats, bitsPerByte, tokenPerplexity, accuracy } = await evaluateModel(model, { corpus: data }, engine, context);
  return { loss: lossNats, bitsPerByte, perplexity: tokenPerplexity, accuracy };
}

/** Median of a step with one sequence. */
async function decodeMs(model: Model, engine: Engine, context: OperationContext): Promise<number> {
  if (isEncoderDecoder(model.config) || taskOf(model.config).kind !== 'causal')
    throw new AppError(
      'unsupported',
      `latencyMs: is the time of one step of decoding, and the ${model.config.architecture} model does not continue text. Give a target in bytes.`,
    );
  const [result] = await measureLatency(model, engine, context, { batches: [1], prefillRuns: 1 });
  return result?.decodeStepMs ?? Number.NaN;
}
