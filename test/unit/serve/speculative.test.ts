// Speculative decoding: the acceptance rule, and whole generations whose distribution must be the target's own.
import { describe, expect, it } from 'vitest';
import { AppError, Random, systemClock } from '#base';
import {
  Batcher,
  checkRequest,
  type Drafter,
  drawToken,
  Generation,
  type GenerationEvent,
  type GenerationRequest,
  proposeTokens,
  Sampler,
  type SamplingOptions,
  type TokenDistribution,
  verifyProposal,
} from '#serve';
import { tinyGpt2 } from '../models/tiny-models.ts';
import { byteTokenizer, FakeExecutor } from './fakes.ts';

/** Whether counts may come from these probabilities: χ² below its mean plus five standard deviations, rare outcomes taken together. */
function expectDrawnFrom(counts: ReadonlyMap<string, number>, probabilities: ReadonlyMap<string, number>): void {
  const numDraws = [...counts.values()].reduce((sum, count) => sum + count, 0);
  let [chiSquare, numCells, restCount, restExpected] = [0, 0, 0, 0];
  const add = (count: number, expected: number): void => {
    chiSquare += (count - expected) ** 2 / expected;
    numCells += 1;
  };
  for (const [outcome, probability] of probabilities) {
    const [count, expected] = [counts.get(outcome) ?? 0, probability * numDraws];
    if (expected >= 5) add(count, expected);
    else {
      restCount += count;
      restExpected += expected;
    }
  }
  if (restExpected >= 5) add(restCount, restExpected);
  else expect(restCount).toBeLessThan(25);
  for (const outcome of counts.keys()) expect(probabilities.has(outcome), `${outcome} cannot come`).toBe(true);
  const freedom = numCells - 1;
  expect(chiSquare).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
}

function distribution(weights: readonly number[], ids?: readonly number[]): TokenDistribution {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { ...(ids === undefined ? {} : { ids: Int32Array.from(ids) }), weights: Float64Array.from(weights), total };
}

describe('verifyProposal', () => {
  it.each([
    ['both over all tokens', distribution([1, 4, 2, 2, 1]), distribution([3, 1, 1, 1, 4])],
    ['a narrow draft', distribution([1, 4, 2, 2, 1]), distribution([1, 1], [1, 4])],
    ['a narrow target', distribution([5, 1, 2], [0, 2, 3]), distribution([3, 1, 1, 1, 4])],
    ['nothing in common', distribution([5, 1], [0, 2]), distribution([1, 1], [1, 3])],
    ['equal ones', distribution([1, 2, 3, 4, 5]), distribution([2, 4, 6, 8, 10])],
  ])('makes draws from the draft draws from the target: %s', (_, target, draft) => {
    const random = new Random(9);
    const counts = new Map<string, number>();
    let numAccepted = 0;
    for (let draw = 0; draw < 20_000; draw++) {
      const { id, isAccepted } = verifyProposal(target, { id: drawToken(draft, random), distribution: draft }, random);
      counts.set(`${id}`, (counts.get(`${id}`) ?? 0) + 1);
      if (isAccepted) numAccepted += 1;
    }
    const share = (of: TokenDistribution, id: number): number =>
      (of.weights[of.ids === undefined ? id : of.ids.indexOf(id)] ?? 0) / of.total;
    const ids = [0, 1, 2, 3, 4].filter((id) => share(target, id) > 0);
    expectDrawnFrom(counts, new Map(ids.map((id) => [`${id}`, share(target, id)])));
    // Σ min(p, q) of all proposals are taken.
    const overlap = ids.reduce((sum, id) => sum + Math.min(share(target, id), share(draft, id)), 0);
    expect(Math.abs(numAccepted / 20_000 - overlap)).toBeLessThan(0.02);
  });
});

const config = { ...tinyGpt2, vocabularySize: 258, endTokens: [257] };

/** Logits of few tokens that depend on the last two, by chance. */
function chanceModel(seed: number, V = 5): (tokens: readonly number[]) => Float32Array {
  return (tokens) => {
    const random = new Random(1000 * seed + 31 * (tokens.at(-1) ?? 0) + 7 * (tokens.at(-2) ?? 0));
    return Float32Array.from({ length: V }, () => 1.5 * random.normal());
  };
}

interface Pair {
  readonly target: { readonly executor: FakeExecutor; readonly batcher: Batcher };
  readonly draft: { readonly executor: FakeExecutor; readonly batcher: Batcher };
  readonly drafter: Drafter;
}

type Rule = ConstructorParameters<typeof FakeExecutor>[0];

function pairOf(targetRule: Rule, draftRule: Rule, options = { slots: 4, prefillTokens: 3 }): Pair {
  const [target, draft] = [targetRule, draftRule].map((rule) => {
    const executor = new FakeExecutor(rule);
    return { executor, batcher: new Batcher(executor, options) };
  });
  const drafter: Drafter = {
    propose: (tokens, count, sampler, signal) =>
      proposeTokens((sequence) => draft!.batcher.submit(sequence, signal), { tokens, count, sampler }),
  };
  return { target: target!, draft: draft!, drafter };
}

function start(
  { target, drafter }: Pair,
  request: GenerationRequest,
  isSpeculative = true,
  signal?: AbortSignal,
): AsyncIterable<GenerationEvent> {
  const checked = checkRequest(request, config, byteTokenizer, 64);
  return target.batcher.submit(new Generation(checked, byteTokenizer, systemClock, isSpeculative ? { drafter } : {}), signal);
}

async function collect(
  events: AsyncIterable<GenerationEvent>,
): Promise<{ ids: number[]; last: Extract<GenerationEvent, { kind: 'finished' }> }> {
  const ids: number[] = [];
  for await (const event of events) {
    if (event.kind === 'token') ids.push(event.token.id);
    if (event.kind === 'finished') return { ids, last: event };
  }
  throw new Error('it did not finish');
}

const idle = { waiting: 0, active: 0, paused: 0, free: 4 };

/** The probability of every continuation of so many tokens, token by token from the target's own logits. */
function exactProbabilities(
  rule: (tokens: readonly number[]) => Float32Array,
  prompt: readonly number[],
  options: SamplingOptions,
  length: number,
): Map<string, number> {
  let paths = [{ ids: [] as number[], probability: 1 }];
  for (let step = 0; step < length; step++)
    paths = paths.flatMap(({ ids, probability }) => {
      const sampler = new Sampler(options, { prompt });
      for (const id of ids) sampler.push(id);
      const { ids: kept, weights, total } = sampler.distribution(rule([...prompt, ...ids]));
      return Array.from(weights, (weight, index) => ({
        ids: [...ids, kept?.[index] ?? index],
        probability: (probability * weight) / total,
      }));
    });
  return new Map(paths.filter(({ probability }) => probability > 0).map(({ ids, probability }) => [ids.join(' '), probability]));
}

describe('speculative generation', () => {
  it.each<[string, SamplingOptions]>([
    ['temperature', { temperature: 1 }],
    ['a low temperature', { temperature: 0.4 }],
    ['top-k and top-p', { temperature: 1.2, topK: 4, topP: 0.85 }],
    ['min-p', { temperature: 1, minP: 0.2 }],
    [
      'penalties and bias',
      { temperature: 1, repetitionPenalty: 1.4, frequencyPenalty: 0.7, presencePenalty: 0.4, logitBias: new Map([[2, 1.5]]) },
    ],
  ])('has the distribution of the target alone: %s', async (_, options) => {
    const rule = chanceModel(1);
    const pair = pairOf(rule, chanceModel(2));
    const [prompt, length] = [[3, 1], 4];
    const counts = new Map<string, number>();
    let [drafted, accepted] = [0, 0];
    for (let seed = 0; seed < 2000; seed++) {
      const { ids, last } = await collect(start(pair, { prompt, maxNewTokens: length, draftTokens: 3, sampling: { ...options, seed } }));
      counts.set(ids.join(' '), (counts.get(ids.join(' ')) ?? 0) + 1);
      drafted += last.usage.draftedTokens;
      accepted += last.usage.acceptedTokens;
    }
    expectDrawnFrom(counts, exactProbabilities(rule, prompt, options, length));
    // The models differ, and agree at times.
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(drafted);
  });

  it('says greedily what the target says alone, in fewer steps, whatever the draft is worth', async () => {
    const successor: Rule = (tokens) => (tokens.at(-1)! + 1) % 200;
    const request = { prompt: 'abcde', maxNewTokens: 24, draftTokens: 4 };
    const wanted = Array.from({ length: 24 }, (_, index) => 102 + index);
    const worth = new Map<number, number>();
    for (const everyNth of [1, 2, 3, 100]) {
      // Wrong at each nth token.
      const pair = pairOf(successor, (tokens) => (tokens.length % everyNth === 0 ? 0 : (tokens.at(-1)! + 1) % 200));
      const { ids, last } = await collect(start(pair, request));
      expect(ids).toEqual(wanted);
      expect(last.usage.acceptedTokens).toBeLessThanOrEqual(last.usage.draftedTokens);
      // The prompt in pieces, and its last piece gives a token; then every step of the target gives one and what it accepts.
      const numSteps = pair.target.executor.steps.length;
      expect(numSteps).toBe(2 + 23 - last.usage.acceptedTokens);
      worth.set(everyNth, last.usage.acceptedTokens);
      for (const { batcher } of [pair.target, pair.draft]) expect(batcher.gauges).toMatchObject(idle);
    }
    expect(worth.get(1)).toBe(0);
    expect(worth.get(2)).toBeGreaterThan(0);
    expect(worth.get(100)).toBeGreaterThanOrEqual(18);
  });

  it('runs beside ordinary requests of both models, more than there are slots', async () => {
    const pair = pairOf(
      (tokens) => (tokens.at(-1)! + 1) % 200,
      (tokens) => (tokens.length % 3 === 0 ? 7 : (tokens.at(-1)! + 1) % 200),
    );
    const plain = { target: pair.draft, draft: pair.draft, drafter: pair.drafter };
    const requests = Array.from({ length: 9 }, (_, index) => ({
      prompt: [10 * index, 10 * index + 1],
      maxNewTokens: 5 + index,
      draftTokens: 1 + (index % 4),
    }));
    const results = await Promise.all([
      ...requests.map((request, index) => collect(start(pair, request, index % 3 !== 2))),
      ...requests.slice(0, 4).map((request) => collect(start(plain, request, false))),
    ]);
    for (const [index, { prompt, maxNewTokens }] of requests.entries())
      expect(results[index]!.ids).toEqual(Array.from({ length: maxNewTokens }, (_, step) => (prompt[1]! + 1 + step) % 200));
    expect(pair.target.executor.steps.some((shares) => shares.length > 1 && shares.some(({ tokens }) => tokens.length > 1))).toBe(true);
    for (const { batcher } of [pair.target, pair.draft]) expect(batcher.gauges).toMatchObject(idle);
  });

  it('stops at an end token among those that were accepted', async () => {
    const pair = pairOf(
      (tokens) => (tokens.length === 6 ? 257 : 65),
      (tokens) => (tokens.length === 6 ? 257 : 65),
    );
    const { ids, last } = await collect(start(pair, { prompt: 'ab', maxNewTokens: 30, draftTokens: 8 }));
    expect(ids).toEqual([65, 65, 65, 65, 257]);
    expect(last).toMatchObject({ reason: 'end', usage: { generatedTokens: 5 } });
  });

  it('frees the places in both models when it is cancelled, by signal or by leaving, at any moment', async () => {
    for (const leaves of [false, true])
      for (const model of ['target', 'draft'] as const)
        for (let step = 1; step < 7; step++) {
          const pair = pairOf(
            () => 65,
            () => 65,
          );
          const stop = new AbortController();
          pair[model].executor.onStep = (current) => {
            if (current === step && !leaves) stop.abort();
          };
          const events = start(pair, { prompt: 'abcd', maxNewTokens: 40, draftTokens: 4 }, true, stop.signal);
          if (leaves) {
            let count = 0;
            for await (const _ of events) if (++count === step) break;
          } else expect((await collect(events)).last.reason).toBe('cancelled');
          await new Promise((resolve) => setTimeout(resolve, 2));
          for (const { batcher } of [pair.target, pair.draft]) expect(batcher.gauges).toMatchObject(idle);
        }
  });

  it('goes on alone when the draft fails', async () => {
    const pair = pairOf(
      (tokens) => tokens.at(-1)! + 1,
      (tokens) => tokens.at(-1)! + 1,
    );
    pair.draft.executor.onShare = ({ start: position }) => (position > 4 ? new AppError('out_of_memory', 'no room.') : undefined);
    const { ids, last } = await collect(start(pair, { prompt: 'ab', maxNewTokens: 12, draftTokens: 2 }));
    expect(ids).toEqual(Array.from({ length: 12 }, (_, index) => 99 + index));
    expect(last.usage.draftedTokens).toBe(2);
    for (const { batcher } of [pair.target, pair.draft]) expect(batcher.gauges).toMatchObject(idle);
  });

  it('draws the same tokens from the same seed', async () => {
    const pair = pairOf(chanceModel(3), chanceModel(4));
    const request = { prompt: [1, 2], maxNewTokens: 20, draftTokens: 3, sampling: { temperature: 1, seed: 5 } };
    const [first, second] = [await collect(start(pair, request)), await collect(start(pair, request))];
    expect(second.ids).toEqual(first.ids);
  });
});
