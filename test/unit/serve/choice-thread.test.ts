// Threads that choose tokens: the answers of this thread, given by another one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { chooseHere, chooserFor, Sampler, type SamplingOptions, ThreadChooser } from '#serve';

const V = 9000;
const chooser = new ThreadChooser(2);
beforeAll(() => chooser.start());
afterAll(() => chooser.close());

function rowsOf(count: number, seed: number): { data: Float32Array; count: number } {
  const random = new Random(seed);
  return { data: Float32Array.from({ length: count * V }, () => 3 * random.normal()), count };
}

const settings: readonly (readonly [string, SamplingOptions])[] = [
  ['greedy with a penalty', { repetitionPenalty: 1.5 }],
  ['temperature', { temperature: 0.9, seed: 3 }],
  ['top-k, top-p and min-p', { temperature: 1.2, topK: 50, topP: 0.9, minP: 0.01, seed: 4 }],
  ['counted penalties and a bias', { temperature: 1, frequencyPenalty: 0.5, presencePenalty: 1, logitBias: new Map([[7, 4]]), seed: 5 }],
];

describe('choosing on another thread', () => {
  it.each(settings)('gives the tokens, log probabilities and random states of this thread: %s', async (_, options) => {
    const samplers = [chooser, chooseHere].map((by) => ({
      by,
      sampler: new Sampler(options, { prompt: [1, 2, 3], endTokens: new Set([5]), minNewTokens: 2 }),
    }));
    const heard: unknown[][] = [[], []];
    for (let step = 0; step < 6; step++)
      for (const [index, { by, sampler }] of samplers.entries()) {
        const tokens = await by.next(sampler, { rows: rowsOf(1, step), proposals: [], logprobs: 3 });
        heard[index]!.push(tokens, sampler.random.state, sampler.numGenerated);
      }
    expect(heard[0]).toEqual(heard[1]);
  });

  it('proposes and verifies as this thread does', async () => {
    const heard: unknown[] = [];
    for (const by of [chooser, chooseHere]) {
      const sampler = new Sampler({ temperature: 0.8, seed: 8 });
      const proposal = await by.propose(sampler, rowsOf(1, 20));
      const target = new Sampler({ temperature: 0.8, seed: 9 });
      const tokens = await by.next(target, { rows: rowsOf(2, 20), proposals: [proposal] });
      heard.push({ proposal, tokens, states: [sampler.state, target.state] });
    }
    expect(heard[0]).toEqual(heard[1]);
  });

  it('ranks given tokens', async () => {
    const asked = { rows: rowsOf(3, 30), ids: [1, 2, 3], logprobs: 2 };
    expect(await chooser.rank(asked)).toEqual(await chooseHere.rank(asked));
  });

  it('chooses what a sampler that counts on this thread would choose', async () => {
    const options: SamplingOptions = { temperature: 1, topP: 0.9, frequencyPenalty: 0.3, seed: 12 };
    const [here, there] = [new Sampler(options), new Sampler(options)];
    for (let step = 0; step < 5; step++) {
      const rows = rowsOf(1, 100 + step);
      const tokens = await chooser.next(there, { rows, proposals: [] });
      expect(tokens.map(({ id }) => id)).toEqual([here.choose(rows.data)]);
    }
  });

  it('tells of logits that are no numbers', async () => {
    const rows = { data: new Float32Array(V).fill(Number.NaN), count: 1 };
    await expect(chooser.next(new Sampler({}), { rows, proposals: [] })).rejects.toMatchObject({ code: 'bad_weights' });
  });

  it('leaves this thread free meanwhile', async () => {
    const rows = rowsOf(200, 1);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    const ids = Array.from({ length: 200 }, (_, id) => id);
    await chooser.rank({ rows, ids, logprobs: 5 });
    clearInterval(counting);
    expect(turns).toBeGreaterThan(3);
  });

  it('starts anew after a thread has ended, and tells who waited for it', async () => {
    const own = new ThreadChooser(1);
    const asked = () => own.rank({ rows: rowsOf(300, 1), ids: Array.from({ length: 300 }, (_, id) => id), logprobs: 5 });
    await own.start();
    const lost = asked();
    const told = expect(lost).rejects.toMatchObject({ code: 'internal' });
    await own.close();
    await told;
    // Not started anew yet: answered at once.
    expect(await asked()).toHaveLength(300);
    await own.start();
    expect(await asked()).toHaveLength(300);
    await own.close();
  });

  it('is not used for small vocabularies, where sending takes as long as choosing', () => {
    expect(chooserFor(4096)).toBe(chooseHere);
    expect(chooserFor(50257)).toBe(chooserFor(32000));
    expect(chooserFor(50257)).not.toBe(chooseHere);
  });
});
