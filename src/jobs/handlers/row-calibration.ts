// Calibration of encoders and encoder-decoders: a seeded choice of lines, labelled texts or pairs as these models read them.
import { createHash } from 'node:crypto';
import { AppError, at, type OperationContext, Random, throwIfCancelled } from '#base';
import type { PaddedWindow, PairWindow } from '#compress';
import { encoderDecoderConfig, taskOf } from '#models';
import { int64 } from '#tensor';
import {
  type EncodedText,
  encodeEnded,
  encodeLabelled,
  type LabelledRow,
  padTexts,
  SentenceEncoder,
  type TextPair,
  type Tokenizer,
} from '#text';
import { hideTokens } from '#train';
import { type CalibrationData, rowDigests, windowsPerRun } from '../calibration-data.ts';
import { labelledRows, maskTokenOf, pairSource } from '../job-data.ts';
import type { ModelLease } from '../model-hub.ts';
import type { CalibrationManifest } from '../results.ts';
import type { CompressSpec, TextData } from '../specs.ts';
import { textSource } from '../text-data.ts';

export interface SentenceCalibrationOptions extends Pick<CompressSpec['calibration'], 'sequences' | 'seed' | 'specialTokens'> {
  /** Longest sequence; longer ones are cut. */
  readonly window: number;
  /** Of the data, for the manifest. */
  readonly paths: readonly string[];
}

type Lease = Pick<ModelLease, 'tokenizer' | 'model'>;

/** Rows that are drawn with equal chances, in one pass over data of any length (reservoir sampling). */
class RowDraw<Row> {
  readonly rows: Row[] = [];
  readonly #random: Random;
  readonly #count: number;
  readonly #hash = createHash('sha256');
  seen = 0;

  constructor({ sequences, seed }: SentenceCalibrationOptions) {
    this.#random = new Random(seed);
    this.#count = sequences;
  }

  /** @param text - what is hashed */
  hash(text: string): void {
    this.#hash.update(text).update('\0');
  }

  offer(row: Row): void {
    const place = this.seen < this.#count ? this.seen : this.#random.integer(this.seen + 1);
    if (place < this.#count) this.rows[place] = row;
    this.seen++;
  }

  textHash(): string {
    return this.#hash.digest('hex');
  }
}

/**
 * Lines of text, each with its special tokens, in padded batches; a model of hidden tokens is asked for some of theirs.
 *
 * Memory: one document, and the chosen lines.
 *
 * @throws AppError `not_enough_samples` without a line | as reading the data throws
 */
export async function sentenceCalibration(
  data: TextData,
  lease: Lease,
  options: SentenceCalibrationOptions,
  context: OperationContext,
): Promise<CalibrationData> {
  const draw = new RowDraw<string>(options);
  let documents = 0;
  for await (const text of (await textSource(data)).documents(context.signal)) {
    throwIfCancelled(context.signal);
    draw.hash(text);
    documents++;
    for (const line of text.split('\n')) if (line.trim() !== '') draw.offer(line);
  }
  if (draw.rows.length === 0) throw new AppError('not_enough_samples', 'the calibration data holds no line of text. Give more text.');
  const encoder = new SentenceEncoder(lease.tokenizer, options.window, options.specialTokens);
  const texts = draw.rows.map((line) => encoder.encode(line));
  const found = { textHash: draw.textHash(), documents, rowsAvailable: draw.seen, rowKind: 'line' };
  const { config } = lease.model;
  if (taskOf(config).kind !== 'masked') return paddedCalibration(texts, lease, options, found, (_, padded) => padded);
  const masking = { maskToken: maskTokenOf(lease.tokenizer), specialTokens: lease.tokenizer.specialTokens };
  return paddedCalibration(texts, lease, options, found, (start, padded) => ({
    ...padded,
    hidden: hideTokens(padded, config.vocabularySize, masking, options.seed + 1 + start).tokens,
  }));
}

/**
 * Labelled texts with their labels.
 *
 * @throws AppError `unsupported` for a model that is no classifier | `bad_data` for a label that it does not have | as reading the data throws
 */
export async function labelledCalibration(
  data: TextData,
  lease: Lease,
  options: SentenceCalibrationOptions,
  context: OperationContext,
): Promise<CalibrationData> {
  const task = taskOf(lease.model.config);
  if (task.kind !== 'classify')
    throw new AppError('unsupported', `compress.data: the model's task is ${task.kind}; labels are for classifiers. Give lines of text.`);
  const draw = new RowDraw<LabelledRow>(options);
  for (const row of await labelledRows(data, context)) {
    draw.hash(JSON.stringify(row));
    draw.offer(row);
  }
  const encoder = new SentenceEncoder(lease.tokenizer, options.window, options.specialTokens);
  const texts = await encodeLabelled(draw.rows, task.labels, encoder, context);
  const found = { textHash: draw.textHash(), documents: draw.seen, rowsAvailable: draw.seen, rowKind: 'labelled text' };
  return paddedCalibration(texts, lease, options, found, (_, padded, chosen) => ({
    ...padded,
    labels: int64(
      [chosen.length],
      chosen.map(({ label }) => label),
    ),
  }));
}

type Found = Pick<CalibrationManifest, 'textHash' | 'documents' | 'rowsAvailable' | 'rowKind'>;

/** Batches of neighbours in length, which pad little. */
function paddedCalibration<Text extends EncodedText>(
  given: readonly Text[],
  { model: { config } }: Lease,
  { seed, window, paths, specialTokens }: SentenceCalibrationOptions,
  found: Found,
  make: (start: number, padded: PaddedWindow, chosen: readonly Text[]) => PaddedWindow,
): CalibrationData {
  const texts = [...given].sort((left, right) => left.ids.length - right.ids.length);
  const padToken = 'padToken' in config ? config.padToken : 0;
  return {
    runs: Math.ceil(texts.length / windowsPerRun),
    tokensPerRun: windowsPerRun * at(texts, texts.length - 1).ids.length,
    async *windows(): AsyncGenerator<PaddedWindow> {
      for (let start = 0; start < texts.length; start += windowsPerRun) {
        const batch = texts.slice(start, start + windowsPerRun);
        yield make(start, padTexts(batch, at(batch, batch.length - 1).ids.length, padToken), batch);
      }
    },
    manifest: {
      ...found,
      paths,
      rows: texts.length,
      rowTokens: window,
      seed,
      padding: `on the right with token ${padToken}, which counts for nothing`,
      specialTokens: specialTokens ? 'as the tokenizer puts them around a text' : 'none added',
      ...rowDigests(texts.map(({ ids }) => BigInt64Array.from(ids, BigInt))),
    },
  };
}

/**
 * Pairs, one a window, since padding would count as input; the decoder reads the right target.
 *
 * @throws AppError `unsupported` for a model without an encoder | `not_enough_samples` | as reading the data throws
 */
export async function pairCalibration(
  data: TextData,
  { tokenizer, model }: Lease,
  options: SentenceCalibrationOptions,
  context: OperationContext,
): Promise<CalibrationData> {
  const { startToken } = encoderDecoderConfig(model);
  const draw = new RowDraw<TextPair>(options);
  for await (const pair of (await pairSource(data)).pairs(context.signal)) {
    draw.hash(JSON.stringify(pair));
    draw.offer(pair);
  }
  const { window, seed, paths } = options;
  const pairs = draw.rows.map(({ source, targets }) => ({
    source: cutEnded(tokenizer, source, window),
    target: cutEnded(tokenizer, at(targets, 0), window),
  }));
  const longest = Math.max(...pairs.map(({ source, target }) => source.length + target.length));
  return {
    runs: pairs.length,
    tokensPerRun: longest,
    async *windows(): AsyncGenerator<PairWindow> {
      for (const { source, target } of pairs)
        yield {
          source: int64([1, source.length], Array.from(source)),
          tokens: int64([1, target.length], [startToken, ...target.subarray(0, -1)]),
          labels: int64([1, target.length], Array.from(target)),
        };
    },
    manifest: {
      paths,
      textHash: draw.textHash(),
      documents: draw.seen,
      rows: pairs.length,
      rowsAvailable: draw.seen,
      rowTokens: window,
      seed,
      padding: 'none: every pair is a batch of its own',
      specialTokens: `end tokens, and token ${startToken} in front of what the decoder reads`,
      rowKind: 'pair',
      ...rowDigests(pairs.map(({ source, target }) => BigInt64Array.from([...source, ...target], BigInt))),
    },
  };
}

/** A text that is too long loses what stands before its end token. */
function cutEnded(tokenizer: Tokenizer, text: string, window: number): Int32Array {
  const ids = encodeEnded(tokenizer, text);
  return ids.length <= window ? ids : Int32Array.of(...ids.subarray(0, window - 1), ...ids.subarray(-1));
}
