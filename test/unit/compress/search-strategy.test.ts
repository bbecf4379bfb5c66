// The order in which a search tries recipes, played on families whose sizes and losses are known.
import { describe, expect, it } from 'vitest';
import { Goal } from '../../../src/compress/search/goal.ts';
import type { SearchTrial } from '../../../src/compress/search/report.ts';
import type { SearchTarget } from '../../../src/compress/search/settings.ts';
import type { Family } from '../../../src/compress/search/space.ts';
import { nextTrial, type SearchPlan } from '../../../src/compress/search/strategy.ts';

const levels = 10;
/** Families A to E: the same sizes, and each loses more than the one before. */
const families: Family[] = ['A', 'B', 'C', 'D', 'E'].map((name) => ({
  name,
  levels: Array.from({ length: levels }, (_, level) => ({
    name: `${name}${level}`,
    steps: [{ [name]: level }],
    expectedBytes: 1000 - 100 * level,
  })),
}));
const start = { storedBytes: 1000, loss: 2, latencyMs: 10 };

interface World {
  /** What a level really takes, against what is expected. */
  readonly offset?: number;
  readonly fails?: string;
}

function measure(name: string, level: number, { offset = 0 }: World): { storedBytes: number; loss: number } {
  return { storedBytes: 1000 - 100 * level + offset, loss: 2 + (1 + 'ABCDE'.indexOf(name)) * level ** 2 * 0.01 };
}

/** All trials of a search. */
function play(target: SearchTarget, trials: number, world: World = {}, training?: unknown): SearchTrial[] {
  const goal = new Goal({ target, metric: 'loss' }, start);
  const plan: SearchPlan = { families, goal, trials, ...(training === undefined ? {} : { training }) };
  const made: SearchTrial[] = [];
  while (made.length < trials) {
    const next = nextTrial(plan, made);
    if (next === undefined) break;
    const fails = world.fails === next.family;
    const plain = measure(next.family, next.level, world);
    const measures = next.trained ? { ...plain, loss: plain.loss - 0.06 } : plain;
    made.push({
      ...next,
      measures: fails ? {} : measures,
      meets: !fails && goal.meets(measures),
      elapsedMs: 1,
      ...(fails ? { failure: 'cannot' } : {}),
    });
  }
  return made;
}

const names = (trials: readonly SearchTrial[]): string[] => trials.map(({ name }) => name);
const bestOf = (target: SearchTarget, trials: readonly SearchTrial[]): string | undefined =>
  new Goal({ target, metric: 'loss' }, start).best(trials)?.name;

describe('a search for a size', () => {
  it('tries every family at the size that is expected to fit, then the better ones nearer to the edge', () => {
    const trials = play({ storedBytes: 650 }, 8);
    expect(names(trials.slice(0, 5))).toEqual(['A4', 'B4', 'C4', 'D4', 'E4']);
    expect(names(trials.slice(5))).toEqual(['A3', 'B3', 'C3']);
    expect(bestOf({ storedBytes: 650 }, trials)).toBe('A4');
  });

  it('finds the edge where the expectation is wrong, in either direction', () => {
    expect(bestOf({ storedBytes: 650 }, play({ storedBytes: 650 }, 20, { offset: 180 }))).toBe('A6');
    expect(bestOf({ storedBytes: 650 }, play({ storedBytes: 650 }, 20, { offset: -280 }))).toBe('A1');
  });

  it('takes a share of the bytes for bytes', () => {
    expect(names(play({ ratio: 0.65 }, 8))).toEqual(names(play({ storedBytes: 650 }, 8)));
  });

  it('gives up a family that cannot be made', () => {
    const trials = play({ storedBytes: 650 }, 20, { fails: 'A' });
    expect(trials.filter(({ family }) => family === 'A')).toHaveLength(1);
    expect(bestOf({ storedBytes: 650 }, trials)).toBe('B4');
  });

  it('tries nothing twice, and ends when nothing is left', () => {
    const trials = play({ storedBytes: 650 }, 1000);
    expect(new Set(names(trials)).size).toBe(trials.length);
    expect(trials.length).toBeLessThan(families.length * levels);
  });

  it('spends its last trials on training the best', () => {
    const training = { distill: { steps: 5 } };
    const trials = play({ storedBytes: 650 }, 8, {}, training);
    expect(trials.map(({ trained }) => trained)).toEqual([...Array(6).fill(false), true, true]);
    expect(trials[6]).toMatchObject({ name: 'A4, distilled', steps: [{ A: 4 }, training] });
    expect(bestOf({ storedBytes: 650 }, trials)).toBe('A4, distilled');
  });
});

describe('a search for the smallest model', () => {
  it('starts in the middle and gallops to the edge of what may be lost', () => {
    const target = { maxLoss: 0.1 };
    const trials = play(target, 30);
    expect(names(trials.slice(0, 5))).toEqual(['A4', 'B4', 'C4', 'D4', 'E4']);
    // 2 % a level squared: A loses a tenth at level 4.47, B at 3.16.
    expect(bestOf(target, trials)).toBe('A4');
    expect(bestOf({ maxLoss: 0.2 }, play({ maxLoss: 0.2 }, 30))).toBe('A6');
    expect(bestOf({ maxLoss: 0.5 }, play({ maxLoss: 0.5 }, 30))).toBe('A9');
    expect(bestOf({ maxLoss: 0.003 }, play({ maxLoss: 0.003 }, 30))).toBe('A0');
  });

  it('finds the edge of a long family in few trials', () => {
    const long: Family = { name: 'long', levels: Array.from({ length: 200 }, (_, level) => ({ name: `${level}`, steps: [{ level }] })) };
    const target = { maxLoss: 0.5 };
    const goal = new Goal({ target, metric: 'loss' }, start);
    const made: SearchTrial[] = [];
    for (let next = nextTrial({ families: [long], goal, trials: 99 }, made); next !== undefined; ) {
      const measures = { storedBytes: 1000 - next.level, loss: 2 + next.level / 170 };
      made.push({ ...next, measures, meets: goal.meets(measures), elapsedMs: 1 });
      next = nextTrial({ families: [long], goal, trials: 99 }, made);
    }
    expect(goal.best(made)?.level).toBe(170);
    expect(made.length).toBeLessThan(15);
  });

  it('trains what is smaller and loses a little too much', () => {
    const trials = play({ maxLoss: 0.1 }, 20, {}, { distill: {} });
    expect(trials.filter(({ trained }) => trained)[0]?.name).toBe('A5, distilled');
    expect(bestOf({ maxLoss: 0.1 }, trials)).toBe('A5, distilled');
  });

  it('keeps both bounds where a size is named too', () => {
    const target = { maxLoss: 0.5, storedBytes: 450 };
    expect(bestOf(target, play(target, 30))).toBe('A9');
    const narrow = { maxLoss: 0.05, storedBytes: 450 };
    expect(bestOf(narrow, play(narrow, 30))).toBeUndefined();
  });
});

describe('the front', () => {
  it('is what no other beats in size and quality', () => {
    const goal = new Goal({ target: { ratio: 0.5 }, metric: 'loss' }, start);
    const trial = (name: string, storedBytes: number, loss: number, failure?: string): SearchTrial => ({
      family: name,
      level: 0,
      trained: false,
      name,
      steps: [],
      measures: { storedBytes, loss },
      meets: true,
      elapsedMs: 0,
      ...(failure === undefined ? {} : { failure }),
    });
    const trials = [
      trial('small', 100, 3),
      trial('beaten', 110, 3),
      trial('good', 200, 2),
      trial('the same', 200, 2),
      trial('broken', 50, Number.NaN),
      trial('never', 1, 1, 'no'),
      trial('large', 300, 1),
    ];
    expect([...goal.front(trials)].map(({ name }) => name)).toEqual(['small', 'good', 'broken', 'large']);
  });

  it('says what was reached where the target was not', () => {
    const goal = new Goal({ target: { storedBytes: 10 }, metric: 'loss' }, start);
    const trials = play({ storedBytes: 10 }, 12);
    expect(goal.notReached(trials)).toMatchObject({
      code: 'target_not_reached',
      message: expect.stringMatching(
        /storedBytes at most 10 is wanted, and the nearest of 5 trials is "A9" with 100 stored bytes, loss 2\.8100/,
      ),
      details: { nearest: 'A9', storedBytes: 100 },
    });
  });
});
