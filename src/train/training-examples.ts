// The examples of a data set one by one, in its own order: for passes that see each of them once.
import { createHash } from 'node:crypto';
import { AppError, at, invariant } from '#base';
import { isEncoderDecoder, type Model } from '#models';
import { int64 } from '#tensor';
import { padTexts, pairBatch, windowBatch } from '#text';
import type { TrainingBatch } from './batch-source.ts';
import type { TrainSettings } from './settings.ts';
import { checkTrainingData, type TrainingData } from './training-data.ts';

/** Examples under the indices that batches name in `examples`. */
export interface TrainingExamples {
  readonly kind: 'windows' | 'pairs' | 'texts';
  readonly count: number;
  /** Rows that the task asks of an example: its tokens, the tokens of its target, or 1 of a labelled text. */
  rows(example: number): number;
  /** Examples side by side. */
  batch(examples: Int32Array): TrainingBatch;
  /** SHA-256 over all token ids in order: equal hashes mean equal examples under equal indices. */
  hash(): string;
}

/**
 * @throws AppError `unsupported` for a model of hidden tokens, whose examples are others in every epoch | `empty_data` | as `checkTrainingData`
 */
export function trainingExamples(
  model: Model,
  data: TrainingData,
  { sequenceLength: length, sourceLength = length }: Pick<TrainSettings, 'sequenceLength' | 'sourceLength'>,
): TrainingExamples {
  checkTrainingData(model, data);
  const { config } = model;
  if ('lines' in data)
    throw new AppError(
      'unsupported',
      'a model of hidden tokens guesses other ones in every epoch: there are no fixed examples to go through once.',
    );
  if ('pairs' in data) {
    invariant(isEncoderDecoder(config), 'pairs are for encoder-decoders');
    const { pairs } = data;
    return {
      kind: 'pairs',
      count: pairs.length,
      rows: (example) => at(pairs, example).target.length,
      batch: (examples) => {
        const chosen = Array.from(examples, (index) => at(pairs, index));
        return { ...pairBatch(chosen, { sourceLength, length, padToken: config.padToken }), examples };
      },
      hash: () => hashOf(pairs.flatMap(({ source, target }) => [source, target])),
    };
  }
  if ('texts' in data) {
    const { texts } = data;
    return {
      kind: 'texts',
      count: texts.length,
      rows: () => 1,
      batch: (examples) => {
        const chosen = Array.from(examples, (index) => at(texts, index));
        const padded = padTexts(chosen, length, 'padToken' in config ? config.padToken : 0);
        const labels = chosen.map(({ label }) => label);
        return { ...padded, labels: int64([chosen.length], labels), examples };
      },
      hash: () => hashOf(texts.flatMap(({ ids }) => [Int32Array.from(ids)])),
    };
  }
  const { tokens } = data;
  const count = Math.floor((tokens.length - 1) / length);
  if (count < 1)
    throw new AppError(
      'empty_data',
      `data: ${tokens.length} tokens hold no window of ${length + 1}. Give more text or a shorter sequenceLength.`,
    );
  return {
    kind: 'windows',
    count,
    rows: () => length,
    batch: (examples) => windowBatch(tokens, length, examples),
    hash: () => hashOf([tokens]),
  };
}

function hashOf(parts: readonly Int32Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return hash.digest('hex');
}
