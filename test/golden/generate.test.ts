// Greedy and beam search against `generate` of transformers: tokens and scores.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { generateSequences } from '#serve';
import { pairCase, pairCaseNames, pairModel } from './pairs.ts';

/** A sequence of transformers without the start token and what comes after the end. */
function withoutPadding(sequence: readonly number[], end: number): number[] {
  const tokens = sequence.slice(1);
  const last = tokens.indexOf(end);
  return last < 0 ? tokens : tokens.slice(0, last + 1);
}

describe('generated sequences', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu' });
  });
  afterAll(() => engine.dispose());

  async function sourcesOf(golden: ReturnType<typeof pairCase>): Promise<number[][]> {
    return golden.source.map((row, index) => row.filter((_, position) => golden.sourceMask[index]![position] === 1));
  }

  it.each(pairCaseNames)('%s: greedy search finds the tokens of transformers', async (name) => {
    const golden = pairCase(name);
    const model = await pairModel(golden);
    const found = await generateSequences(engine, model, await sourcesOf(golden), { maxTokens: 11 });
    const end = model.config.endTokens[0]!;
    expect(found.map(([best]) => best!.tokens)).toEqual(golden.greedy.map((row) => withoutPadding(row, end)));
  });

  it.each(pairCaseNames)('%s: beam search finds the tokens and scores of transformers', async (name) => {
    const golden = pairCase(name);
    const model = await pairModel(golden);
    const end = model.config.endTokens[0]!;
    for (const { settings, sequences, scores } of golden.searches) {
      const found = await generateSequences(engine, model, await sourcesOf(golden), {
        beams: settings.num_beams,
        maxTokens: settings.max_length - 1,
        lengthPenalty: settings.length_penalty,
        earlyStopping: settings.early_stopping,
        noRepeatNgram: settings.no_repeat_ngram_size ?? 0,
        batchSize: 2,
      });
      const flat = found.flat();
      expect(
        flat.map(({ tokens }) => tokens),
        JSON.stringify(settings),
      ).toEqual(sequences.map((row) => withoutPadding(row, end)));
      for (const [index, { score }] of flat.entries()) expect(Math.abs(score - scores[index]!)).toBeLessThan(1e-4);
    }
  });
});
