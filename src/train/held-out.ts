// A part of the data that is not trained on, and the batches in which it is measured.
import { AppError, Random } from '#base';
import type { Model } from '#models';
import type { StoredBatches, TrainingBatch } from './batch-source.ts';
import type { TrainSettings } from './settings.ts';
import { openBatches, type TrainingData } from './training-data.ts';

/** What a measurement looks at, at most: more costs more than it tells. */
const mostExamples = 1024;

interface SplitData {
  readonly trains: TrainingData;
  readonly heldOut: TrainingData;
}

/**
 * Puts a share of the data aside: of running text its end, of texts and pairs those that the seed draws.
 *
 * @param share - above 0 and below 1
 * @throws AppError `not_enough_samples` when one of the parts is left without a text or a window
 */
export function splitHeldOut(data: TrainingData, share: number, settings: Pick<TrainSettings, 'sequenceLength' | 'seed'>): SplitData {
  const { sequenceLength, seed } = settings;
  if ('texts' in data) return splitList(data.texts, share, seed, (texts) => ({ ...data, texts }));
  if ('lines' in data) return splitList(data.lines, share, seed, (lines) => ({ ...data, lines }));
  if ('pairs' in data) return splitList(data.pairs, share, seed, (pairs) => ({ ...data, pairs }));
  const { tokens, documentStarts, bytes } = data;
  const cut = tokens.length - Math.max(sequenceLength + 1, Math.floor(share * tokens.length));
  if (cut <= sequenceLength) throw tooFew(`${tokens.length} tokens`, `two sequences of ${sequenceLength}`);
  const part = (first: number, end: number): TrainingData => ({
    ...data,
    tokens: tokens.subarray(first, end),
    documentStarts: documentStarts.filter((start) => start >= first && start < end).map((start) => start - first),
    // Which bytes a token stands for is not known: they are shared out evenly.
    bytes: Math.round((bytes * (end - first)) / tokens.length),
  });
  return { trains: part(0, cut), heldOut: part(cut, tokens.length) };
}

function splitList<Item>(items: readonly Item[], share: number, seed: number, of: (items: readonly Item[]) => TrainingData): SplitData {
  if (items.length < 2) throw tooFew(items.length === 1 ? 'one text' : 'no text', 'two');
  const count = Math.min(items.length - 1, Math.max(1, Math.round(share * items.length)));
  const held = new Set(new Random(seed).permutation(items.length).subarray(0, count));
  return { trains: of(items.filter((_, index) => !held.has(index))), heldOut: of(items.filter((_, index) => held.has(index))) };
}

function tooFew(given: string, needed: string): AppError {
  return new AppError(
    'not_enough_samples',
    `heldOut: the data has ${given}, and ${needed} are needed to hold a part out. Give more data, or validation data.`,
  );
}

/**
 * The batches of one measurement: the same ones each time, about one epoch of the data, or its first 1,024 examples where it has more.
 *
 * @throws AppError as `openBatches`
 */
export function measuredBatches(model: Model, data: TrainingData, settings: TrainSettings): () => readonly TrainingBatch[] {
  const open = (): StoredBatches => openBatches(model, data, { ...settings, seed: 0 }, undefined);
  open();
  const examples = Math.min(mostExamples, exampleCount(data, settings));
  const count = Math.max(1, Math.ceil(examples / settings.batchSize));
  return () => {
    const source = open();
    return Array.from({ length: count }, () => source.next());
  };
}

function exampleCount(data: TrainingData, { sequenceLength }: Pick<TrainSettings, 'sequenceLength'>): number {
  if ('texts' in data) return data.texts.length;
  if ('lines' in data) return data.lines.length;
  if ('pairs' in data) return data.pairs.length;
  return Math.floor((data.tokens.length - 1) / sequenceLength);
}
