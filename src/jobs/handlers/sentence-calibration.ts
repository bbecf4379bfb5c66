// Calibration of encoders: lines of a text as an encoder reads them.
import { createHash } from 'node:crypto';
import { AppError, at, type OperationContext, Random, throwIfCancelled } from '#base';
import type { PaddedWindow } from '#compress';
import { padTexts, SentenceEncoder } from '#text';
import { type CalibrationData, rowDigests, windowsPerRun } from '../calibration-data.ts';
import type { ModelLease } from '../model-hub.ts';
import type { TextData } from '../specs.ts';
import { textSource } from '../text-data.ts';

export interface SentenceCalibrationOptions {
  /** Lines at most. */
  readonly sequences: number;
  readonly seed: number;
  /** Longest sequence; longer lines are cut. */
  readonly window: number;
  /** Of the data, for the manifest. */
  readonly paths: readonly string[];
}

/**
 * A seeded choice of the lines of a data set that are not empty, each a text with its special tokens, in padded batches.
 *
 * Memory: one document, and the chosen lines.
 *
 * @throws AppError `not_enough_samples` without a line | as reading the data throws
 */
export async function sentenceCalibration(
  data: TextData,
  { tokenizer, model: { config } }: Pick<ModelLease, 'tokenizer' | 'model'>,
  { sequences, seed, window, paths }: SentenceCalibrationOptions,
  context: OperationContext,
): Promise<CalibrationData> {
  const random = new Random(seed);
  const hash = createHash('sha256');
  const chosen: string[] = [];
  let seen = 0;
  let documents = 0;
  for await (const text of (await textSource(data)).documents(context.signal)) {
    throwIfCancelled(context.signal);
    hash.update(text).update('\0');
    documents++;
    for (const line of text.split('\n')) {
      if (line.trim() === '') continue;
      // Every line is kept with the same chance (reservoir sampling), in one pass over data of any length.
      const place = seen < sequences ? seen : random.integer(seen + 1);
      if (place < sequences) chosen[place] = line;
      seen++;
    }
  }
  if (chosen.length === 0) throw new AppError('not_enough_samples', 'the calibration data holds no line of text. Give more text.');
  const encoder = new SentenceEncoder(tokenizer, window);
  // Neighbours in length pad little.
  const texts = chosen.map((line) => encoder.encode(line)).sort((left, right) => left.ids.length - right.ids.length);
  const padToken = 'padToken' in config ? config.padToken : 0;
  const rows = texts.map(({ ids }) => BigInt64Array.from(ids, BigInt));
  return {
    runs: Math.ceil(texts.length / windowsPerRun),
    tokensPerRun: windowsPerRun * at(texts, texts.length - 1).ids.length,
    async *windows(): AsyncGenerator<PaddedWindow> {
      for (let start = 0; start < texts.length; start += windowsPerRun) {
        const batch = texts.slice(start, start + windowsPerRun);
        yield padTexts(batch, at(batch, batch.length - 1).ids.length, padToken);
      }
    },
    manifest: {
      paths,
      textHash: hash.digest('hex'),
      documents,
      rows: texts.length,
      rowsAvailable: seen,
      rowTokens: window,
      seed,
      padding: `on the right with token ${padToken}, which counts for nothing`,
      specialTokens: 'as the tokenizer puts them around a text',
      ...rowDigests(rows),
    },
  };
}
