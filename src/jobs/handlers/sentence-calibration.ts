// Calibration of encoders: lines of a text as an encoder reads them.
import { createHash } from 'node:crypto';
import { AppError, at, type OperationContext, Random, throwIfCancelled } from '#base';
import { type Calibration, type PaddedWindow, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { padTexts, SentenceEncoder } from '#text';
import type { ModelLease } from '../model-hub.ts';
import type { TextData } from '../specs.ts';
import { textSource } from '../text-data.ts';

export interface SentenceCalibrationOptions {
  /** Lines at most. */
  readonly sequences: number;
  readonly seed: number;
  /** Longest sequence; longer lines are cut. */
  readonly window: number;
}

/** Lines in one run of the model. */
const linesPerRun = 8;

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
  engine: Engine,
  { sequences, seed, window }: SentenceCalibrationOptions,
  context: OperationContext,
): Promise<{ readonly calibration: Calibration /** SHA-256 of the documents. */; readonly fingerprint: string }> {
  const random = new Random(seed);
  const hash = createHash('sha256');
  const chosen: string[] = [];
  let seen = 0;
  for await (const text of (await textSource(data)).documents(context.signal)) {
    throwIfCancelled(context.signal);
    hash.update(text).update('\0');
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
  async function* windows(): AsyncGenerator<PaddedWindow> {
    for (let start = 0; start < texts.length; start += linesPerRun) {
      const batch = texts.slice(start, start + linesPerRun);
      yield padTexts(batch, at(batch, batch.length - 1).ids.length, padToken);
    }
  }
  const runs = Math.ceil(texts.length / linesPerRun);
  return { calibration: new WindowCalibration(engine, windows, { windows: runs }), fingerprint: hash.digest('hex') };
}
