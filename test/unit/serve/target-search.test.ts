// Searches over made-up logits: forced and forbidden tokens, ends, and what a caller may ask for.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel } from '#models';
import { generateSequences, SequenceGenerator } from '#serve';
import { type SearchSettings, startSearch } from '../../../src/serve/target-search.ts';
import { pairCase, pairModel } from '../../golden/pairs.ts';
import { tinyGpt2 } from '../models/tiny-models.ts';

const settings: SearchSettings = {
  beams: 1,
  maxTokens: 6,
  minTokens: 0,
  lengthPenalty: 1,
  earlyStopping: false,
  noRepeatNgram: 0,
  startToken: 0,
  endTokens: [1],
  suppressed: [],
};

/** The same logits at every step: token 2, then 3, then 4, and the end is least likely. */
const logits = Float32Array.of(-9, -5, 3, 2, 1);

function search(changes: Partial<SearchSettings>): readonly { tokens: readonly number[]; score: number }[] {
  const run = startSearch({ ...settings, ...changes });
  while (run.running.length > 0) run.extend(run.running.map(() => logits));
  return run.found;
}

describe.each([1, 3])('a search with %i beams', (beams) => {
  it('takes the likeliest token until the length is reached', () => {
    expect(search({ beams })[0]!.tokens).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('never takes a suppressed token', () => {
    for (const { tokens } of search({ beams, suppressed: [2] })) expect(tokens).not.toContain(2);
  });

  it('repeats no pair of tokens when it must not', () => {
    for (const { tokens } of search({ beams, noRepeatNgram: 2 })) {
      const pairs = tokens.slice(1).map((token, index) => `${tokens[index]} ${token}`);
      expect(new Set(pairs).size).toBe(pairs.length);
    }
  });

  it('repeats no token at all when runs of one are forbidden', () => {
    const [best] = search({ beams, noRepeatNgram: 1, maxTokens: 4 });
    expect(new Set(best!.tokens).size).toBe(best!.tokens.length);
  });

  it('begins and ends with the tokens that are forced, at no cost', () => {
    const [best] = search({ beams, firstToken: 4, lastToken: 1, maxTokens: 3 });
    expect(best!.tokens).toEqual([4, 2, 1]);
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    expect(best!.score).toBeCloseTo((3 - total) / 3, 6);
  });
});

describe('beam search', () => {
  it('finds a target that greedy search misses', () => {
    // Token 2 looks best at first, but only 3 leads to a certain end.
    const after: Readonly<Record<number, Float32Array>> = {
      0: Float32Array.of(-20, -20, 1.1, 1, -20),
      2: Float32Array.of(0, 0, 0, 0, 0),
      3: Float32Array.of(-20, 5, -20, -20, -20),
      4: Float32Array.of(0, 0, 0, 0, 0),
    };
    const found = (beams: number): readonly number[] => {
      const run = startSearch({ ...settings, beams, maxTokens: 2 });
      while (run.running.length > 0) run.extend(run.running.map(({ tokens }) => after[tokens.at(-1)!]!));
      return run.found[0]!.tokens;
    };
    expect(found(1)[0]).toBe(2);
    expect(found(2)).toEqual([3, 1]);
  });

  it('gives as many targets as beams, best first, all different', () => {
    const found = search({ beams: 3 });
    expect(found).toHaveLength(3);
    expect(new Set(found.map(({ tokens }) => tokens.join())).size).toBe(3);
    const scores = found.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((left, right) => right - left));
  });
});

describe('SequenceGenerator', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
  });
  afterAll(() => engine.dispose());

  it.each([
    [{ beams: 0 }, /beams: must be a whole number/],
    [{ beams: 23 }, /beams: must be below/],
    [{ maxTokens: 0 }, /maxTokens/],
    [{ maxTokens: 20 }, /more than the 19 positions/],
    [{ batchSize: 1.5 }, /batchSize/],
    [{ noRepeatNgram: -1 }, /noRepeatNgram/],
    [{ lengthPenalty: Number.NaN }, /lengthPenalty/],
    [{ lastToken: 99 }, /lastToken/],
    [{ suppressed: [-1] }, /suppressed/],
  ])('refuses %j', async (given, message) => {
    const model = await pairModel(pairCase('bart'));
    await expect(generateSequences(engine, model, [[4, 2]], given)).rejects.toThrow(message);
  });

  it('refuses a source without tokens, one that is too long, and a token that does not exist', async () => {
    const model = await pairModel(pairCase('bart'));
    await expect(generateSequences(engine, model, [[4, 2], []])).rejects.toThrow(/source 1: has no tokens/);
    await expect(generateSequences(engine, model, [new Array<number>(20).fill(4)])).rejects.toThrow(
      /source 0: 20 tokens are more than the 19/,
    );
    await expect(generateSequences(engine, model, [[4, 23]])).rejects.toThrow(/source 0: token 23 is outside/);
  });

  it('refuses a model without an encoder', async () => {
    await expect(generateSequences(engine, initializeModel(tinyGpt2, new Random(1)), [[1]])).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('answers in the order of the sources, whatever their lengths, and gives everything back', async () => {
    const model = await pairModel(pairCase('t5'));
    const sources = [
      [5, 6, 7, 8, 9, 1],
      [5, 1],
      [7, 8, 9, 1],
    ];
    const before = engine.counters();
    const generator = await SequenceGenerator.create(engine, model);
    const together = await generator.generate(sources, { beams: 2, maxTokens: 7, batchSize: 2 });
    for (const [index, source] of sources.entries()) {
      const [alone] = await generator.generate([source], { beams: 2, maxTokens: 7 });
      expect(alone!.map(({ tokens }) => tokens)).toEqual(together[index]!.map(({ tokens }) => tokens));
    }
    await generator.dispose();
    expect(engine.counters()).toMatchObject({ buffers: before.buffers, bufferBytes: before.bufferBytes, programs: before.programs });
  });

  it('stops at the signal', async () => {
    const model = await pairModel(pairCase('bart'));
    const context = { report: () => undefined, signal: AbortSignal.abort() };
    await expect(generateSequences(engine, model, [[4, 2]], {}, context)).rejects.toMatchObject({ code: 'cancelled' });
  });
});
