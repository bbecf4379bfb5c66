// The scheduler as a pure state machine; its invariants after every step of any history.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockTokens, Scheduler, type SchedulerOptions, type Share } from '#serve';

type Step = Extract<ReturnType<Scheduler['plan']>, { kind: 'step' }>;

/** The next step, with every arrangement made that it needs. */
function nextStep(scheduler: Scheduler): Step | undefined {
  for (;;) {
    const plan = scheduler.plan();
    if (plan.kind === 'idle') return undefined;
    if (plan.kind === 'step') return plan;
    scheduler.arranged();
  }
}

/** Reports a step as run, with every sequence going on with `token`. */
function runAll(scheduler: Scheduler, { shares }: Step, token = 7): void {
  for (const share of shares) if (scheduler.ran(share) === 'complete') scheduler.extend(share.id, [token]);
}

function print(step: Step | undefined): string {
  return (step?.shares ?? []).map(({ id, numTokens }) => `${id}x${numTokens}`).join(' ');
}

/** Steps as text, run one after the other. */
function history(scheduler: Scheduler, numSteps: number): string[] {
  return Array.from({ length: numSteps }, () => {
    const step = nextStep(scheduler);
    if (step !== undefined) runAll(scheduler, step);
    return print(step);
  });
}

/** A prompt that shares nothing with those of other ids. */
function prompt(id: number, length: number): number[] {
  return Array.from({ length }, (_, index) => 1000 * id + index);
}

function add(
  scheduler: Scheduler,
  id: number,
  length: number,
  more: { maxTokens?: number; priority?: number; expiresMs?: number } = {},
): void {
  scheduler.add({ id, tokens: prompt(id, length), maxTokens: length + 50, ...more });
}

describe('Scheduler', () => {
  it('runs a prompt first, then one token at a time', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 100 });
    add(scheduler, 1, 5);
    expect(history(scheduler, 3)).toEqual(['1x5', '1x1', '1x1']);
  });

  it('runs long prompts in pieces and says when the last one has run', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 4 });
    add(scheduler, 1, 9);
    const outcomes = Array.from({ length: 3 }, () => scheduler.ran(nextStep(scheduler)!.shares[0]!));
    expect(outcomes).toEqual(['partial', 'partial', 'complete']);
  });

  it('runs prompts beside those who decode, within a budget of tokens', () => {
    const scheduler = new Scheduler({ slots: 4, prefillTokens: 8 });
    add(scheduler, 1, 3);
    expect(history(scheduler, 1)).toEqual(['1x3']);
    add(scheduler, 2, 20);
    add(scheduler, 3, 4);
    add(scheduler, 4, 2);
    expect(history(scheduler, 4)).toEqual(['1x1 2x8', '1x1 2x8', '1x1 2x4 3x4', '1x1 2x1 3x1 4x2']);
  });

  it('runs what a draft proposes at once, and goes back to what was taken', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 2 });
    add(scheduler, 1, 2);
    scheduler.ran(nextStep(scheduler)!.shares[0]!);
    scheduler.extend(1, [5, 6, 7, 8]);
    const [share] = nextStep(scheduler)!.shares;
    expect(share).toMatchObject({ start: 2, numTokens: 4 });
    expect(scheduler.ran(share!)).toBe('complete');
    scheduler.truncate(1, 4);
    scheduler.extend(1, [9]);
    expect(nextStep(scheduler)!.shares).toEqual([{ id: 1, row: 0, start: 4, numTokens: 1 }]);
  });

  it('admits by priority, then in the order of arrival', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 8 });
    add(scheduler, 1, 2);
    add(scheduler, 2, 2);
    add(scheduler, 3, 2, { priority: -1 });
    add(scheduler, 4, 2);
    const order: number[] = [];
    for (let count = 0; count < 4; count++) {
      const id = nextStep(scheduler)!.shares[0]!.id;
      order.push(id);
      scheduler.remove(id);
    }
    expect(order).toEqual([3, 1, 2, 4]);
    expect(scheduler.gauges).toMatchObject({ waiting: 0, active: 0, free: 1 });
  });

  it('refuses what could never fit, and what comes when too many wait', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 8, blocks: 4, maxWaiting: 2 });
    expect(() => add(scheduler, 1, 20)).toThrow(/insufficient_memory.*70 tokens need 5 blocks.*has 4.*at most 64/);
    add(scheduler, 2, 2);
    add(scheduler, 3, 2);
    expect(() => add(scheduler, 4, 2)).toThrow(/overloaded.*2 requests wait/);
    expect(scheduler.gauges.waiting).toBe(2);
  });

  it('lets those wait whose blocks are taken, and admits them when they are free', () => {
    const scheduler = new Scheduler({ slots: 4, prefillTokens: 100, blocks: 7 });
    add(scheduler, 1, 60, { maxTokens: 64 });
    add(scheduler, 2, 60, { maxTokens: 64 });
    expect(print(nextStep(scheduler))).toBe('1x60');
    expect(scheduler.gauges).toMatchObject({ waiting: 1, active: 1, blocks: { total: 7 } });
    scheduler.remove(1);
    expect(print(nextStep(scheduler))).toBe('2x60');
  });

  it('sends the last one back when the cache has no room for all to grow, and runs its tokens again later', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 100, blocks: 4 });
    add(scheduler, 1, blockTokens - 1, { maxTokens: 60 });
    add(scheduler, 2, blockTokens - 1, { maxTokens: 60 });
    const steps = history(scheduler, 40);
    expect(steps[0]).toBe('1x15 2x15');
    // Both grow to two blocks; a third block for each would be six.
    expect(steps[17]).toBe('1x1 2x1');
    expect(steps[20]).toBe('1x1');
    expect(scheduler.gauges).toMatchObject({ active: 1, waiting: 1 });
    scheduler.remove(1);
    const [again] = nextStep(scheduler)!.shares;
    expect(again!.id).toBe(2);
    expect(again!.start + again!.numTokens).toBeGreaterThan(2 * blockTokens - 2);
  });

  it('ignores reports of sequences that left meanwhile', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 8 });
    add(scheduler, 1, 2);
    const step = nextStep(scheduler)!;
    scheduler.remove(1);
    expect(scheduler.ran(step.shares[0]!)).toBe('ignored');
    expect(scheduler.plan()).toEqual({ kind: 'idle' });
  });

  it('forgets who waited too long, but nobody who has begun', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 8 });
    add(scheduler, 1, 2, { expiresMs: 10 });
    add(scheduler, 2, 2, { expiresMs: 20 });
    add(scheduler, 3, 2);
    nextStep(scheduler);
    expect(scheduler.expire(19)).toEqual([]);
    expect(scheduler.expire(20)).toEqual([2]);
    expect(scheduler.gauges).toMatchObject({ waiting: 1, active: 1 });
    scheduler.pause(1);
    scheduler.resume(1);
    expect(scheduler.expire(1000)).toEqual([]);
  });

  it('runs tokens that were added together in one share, also after a sequence lost its row', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 3 });
    const shares = (): unknown => {
      for (;;) {
        const plan = scheduler.plan();
        if (plan.kind === 'idle') return [];
        if (plan.kind === 'step') {
          for (const share of plan.shares) scheduler.ran(share);
          return plan.shares.map(({ id, start, numTokens }) => [id, start, numTokens]);
        }
        scheduler.arranged();
      }
    };
    scheduler.add({ id: 1, tokens: [1, 2, 3, 4], maxTokens: 20 });
    expect([shares(), shares(), shares()]).toEqual([[[1, 0, 3]], [[1, 3, 1]], []]);
    scheduler.extend(1, [5, 6, 7, 8, 9]);
    expect(shares()).toEqual([[1, 4, 5]]);
    scheduler.truncate(1, 6);
    // Others look for its next tokens, and meanwhile another takes its row.
    scheduler.pause(1);
    scheduler.add({ id: 2, tokens: [7], maxTokens: 2 });
    expect(shares()).toEqual([[2, 0, 1]]);
    scheduler.remove(2);
    scheduler.extend(1, [5, 6, 7, 8]);
    scheduler.resume(1);
    expect([shares(), shares(), shares(), shares()]).toEqual([[[1, 0, 3]], [[1, 3, 3]], [[1, 6, 4]], []]);
  });

  it('gives the row of a paused sequence to others, and lets it go on where it was if nobody took it', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 64 });
    add(scheduler, 1, 40);
    history(scheduler, 3);
    scheduler.pause(1);
    expect(scheduler.gauges).toMatchObject({ active: 0, paused: 1, free: 1, blocks: { held: 0 } });
    expect(scheduler.plan()).toEqual({ kind: 'idle' });
    scheduler.resume(1);
    expect(nextStep(scheduler)!.shares).toEqual([{ id: 1, row: 0, start: 42, numTokens: 1 }]);
    scheduler.pause(1);
    add(scheduler, 2, 5);
    expect(print(nextStep(scheduler))).toBe('2x5');
    scheduler.resume(1);
    scheduler.remove(2);
    expect(nextStep(scheduler)!.shares).toEqual([{ id: 1, row: 0, start: 0, numTokens: 43 }]);
  });

  it('gives up what the device has no memory for, and tells who can never fit', () => {
    const scheduler = new Scheduler({ slots: 4, prefillTokens: 64 });
    add(scheduler, 1, 10);
    nextStep(scheduler);
    add(scheduler, 2, 300);
    add(scheduler, 3, 10);
    expect(scheduler.plan().kind).toBe('arrange');
    expect(scheduler.arrangementFailed()).toEqual([2]);
    expect(scheduler.gauges).toMatchObject({ active: 0, waiting: 2, blocks: { held: 0, total: 4 } });
    expect(print(nextStep(scheduler))).toContain('1x10');
  });

  it('refuses settings that run nothing', () => {
    expect(() => new Scheduler({ slots: 0, prefillTokens: 8 })).toThrow(/invalid_argument.*slots/);
    expect(() => new Scheduler({ slots: 1, prefillTokens: 0.5 })).toThrow(/invalid_argument.*prefillTokens/);
  });
});

describe('beginnings that are in the cache already', () => {
  const shared = prompt(0, 48);
  const withTail = (id: number): number[] => [...shared, ...prompt(id, 5)];

  it('are copied from a row that is in use, and taken over from one that is free', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 64 });
    scheduler.add({ id: 1, tokens: withTail(1), maxTokens: 100 });
    history(scheduler, 2);
    scheduler.add({ id: 2, tokens: withTail(2), maxTokens: 100 });
    const step = nextStep(scheduler)!;
    expect(step.copies).toEqual([{ from: 0, to: 1 }]);
    expect(step.shares).toEqual([
      { id: 1, row: 0, start: 54, numTokens: 1 },
      { id: 2, row: 1, start: 48, numTokens: 5 },
    ]);
    expect(scheduler.cachedTokens(2)).toBe(48);
    scheduler.remove(1);
    scheduler.remove(2);
    expect(scheduler.gauges.blocks).toMatchObject({ held: 0 });
    expect(scheduler.gauges.blocks.kept).toBeGreaterThan(0);
    scheduler.add({ id: 3, tokens: withTail(1), maxTokens: 100 });
    const again = nextStep(scheduler)!;
    expect(again.copies).toEqual([]);
    expect(again.shares).toEqual([{ id: 3, row: 0, start: 52, numTokens: 1 }]);
  });

  it('are waited for while another runs them', () => {
    const scheduler = new Scheduler({ slots: 4, prefillTokens: 32 });
    for (const id of [1, 2]) scheduler.add({ id, tokens: withTail(id), maxTokens: 100 });
    scheduler.add({ id: 3, tokens: prompt(3, 4), maxTokens: 100 });
    expect(history(scheduler, 4)).toEqual(['1x32', '1x21 3x4', '1x1 3x1 2x5', '1x1 3x1 2x1']);
  });

  it('are waited for until they are worth a copy, piece by piece', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 7 });
    for (const id of [1, 2]) scheduler.add({ id, tokens: [...shared.slice(0, 20), ...prompt(id, 2)], maxTokens: 60 });
    expect(history(scheduler, 4)).toEqual(['1x7', '1x7', '1x7', '1x1 2x2']);
    expect(scheduler.cachedTokens(2)).toBe(20);
  });

  it('leave a place in full rows, where batches write that pass through them', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 64, blocks: 4 });
    add(scheduler, 1, 32, { maxTokens: 33 });
    add(scheduler, 2, 4, { maxTokens: 30 });
    const first = nextStep(scheduler)!;
    expect(print(first)).toBe('1x32 2x4');
    runAll(scheduler, { ...first, shares: first.shares.slice(1) });
    expect(scheduler.ran(first.shares[0]!)).toBe('complete');
    scheduler.remove(1);
    expect(nextStep(scheduler)!.lengths[first.shares[0]!.row]).toBe(31);
  });

  it('are copied before rows get other places', () => {
    const scheduler = new Scheduler({ slots: 3, prefillTokens: 64 });
    add(scheduler, 1, 20);
    scheduler.add({ id: 2, tokens: withTail(2), maxTokens: 100 });
    add(scheduler, 3, 20);
    history(scheduler, 4);
    scheduler.remove(3);
    scheduler.remove(1);
    // The row of 3 was used least recently; 5 needs longer rows, and those that are held would move to the front.
    scheduler.add({ id: 4, tokens: withTail(4), maxTokens: 100 });
    scheduler.add({ id: 5, tokens: prompt(5, 300), maxTokens: 400 });
    expect(scheduler.plan()).toMatchObject({
      kind: 'step',
      copies: [{ from: 1, to: 2 }],
      shares: [
        { id: 2, row: 1 },
        { id: 4, row: 2, start: 48 },
      ],
    });
    expect(scheduler.plan()).toMatchObject({ kind: 'arrange', arrangement: { from: [1, 2, 0] } });
  });

  it('are not used where every token of the prompt must run', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 64 });
    scheduler.add({ id: 1, tokens: withTail(1), maxTokens: 100 });
    history(scheduler, 1);
    scheduler.add({ id: 2, tokens: withTail(1), maxTokens: 100, reusesPrefix: false });
    expect(print(nextStep(scheduler))).toBe('1x1 2x53');
  });
});

/** What any history may hold. */
const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      // Few beginnings, so that many prompts share them.
      family: fc.nat(2),
      numTokens: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 35, max: 45 })),
      extra: fc.integer({ min: 0, max: 60 }),
      priority: fc.integer({ min: -1, max: 1 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('step' as const), ends: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('remove' as const, 'pause' as const, 'resume' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const) }) },
);

/** What lies in each row of a device that does what plans say, and what every sequence should have there. */
class ModelOfDevice {
  rows: number[][] = [];
  /** Positions of a row. */
  room = 0;
  readonly sequences = new Map<number, number[]>();
  readonly maxTokens = new Map<number, number>();

  run({ copies, lengths, shares }: Step): void {
    for (const { from, to } of copies) this.rows[to] = [...this.rows[from]!];
    const used = new Set<number>();
    for (const share of shares) {
      const tokens = this.sequences.get(share.id)!;
      expect(used.has(share.row)).toBe(false);
      used.add(share.row);
      const row = this.rows[share.row]!;
      // What is said to be there is there.
      expect(row.slice(0, share.start)).toEqual(tokens.slice(0, share.start));
      expect(lengths[share.row]).toBe(share.start);
      expect(share.start + share.numTokens).toBeLessThanOrEqual(tokens.length);
      this.rows[share.row] = [...tokens.slice(0, share.start + share.numTokens)];
    }
    // A batch writes something behind what lies in the rows that have nothing to run.
    for (const [index, row] of this.rows.entries()) {
      if (used.has(index)) continue;
      expect(lengths[index]).toBeLessThan(this.room);
      this.rows[index] = [...row.slice(0, lengths[index]), -1];
    }
  }
}

describe('any history', () => {
  it('keeps the promises after every step, and ends with everything free', () => {
    let numSteps = 0;
    let numCopies = 0;
    let numCached = 0;
    const check = (
      options: SchedulerOptions & { blocks: number },
      actions: readonly (typeof action extends fc.Arbitrary<infer A> ? A : never)[],
    ) => {
      const scheduler = new Scheduler(options);
      const device = new ModelOfDevice();
      const paused = new Set<number>();
      let failNext = false;
      let lastId = 0;
      const step = (ends: number): void => {
        for (;;) {
          const plan = scheduler.plan();
          if (plan.kind === 'idle') {
            expect(device.sequences.size - paused.size).toBe(0);
            return;
          }
          if (plan.kind === 'arrange') {
            const { rows, columns, from } = plan.arrangement;
            expect(rows * columns).toBeLessThanOrEqual(scheduler.gauges.blocks.total);
            expect(rows).toBeLessThanOrEqual(options.slots);
            expect(from).toHaveLength(rows);
            if (failNext) {
              failNext = false;
              device.rows = [];
              for (const id of scheduler.arrangementFailed()) {
                device.sequences.delete(id);
                paused.delete(id);
              }
            } else {
              device.rows = from.map((row) => (row === undefined ? [] : device.rows[row]!.slice(0, columns * blockTokens)));
              device.room = columns * blockTokens;
              scheduler.arranged();
            }
            continue;
          }
          expect(plan.shares.length).toBeGreaterThan(0);
          numSteps += 1;
          numCopies += plan.copies.length;
          numCached += plan.shares.filter(({ start, id }) => start > 0 && scheduler.cachedTokens(id) > 0).length;
          device.run(plan);
          const room = Math.max(...device.rows.map((row) => row.length));
          expect(room).toBeLessThanOrEqual(scheduler.gauges.blocks.total * blockTokens);
          for (const share of plan.shares) finish(share, ends);
          return;
        }
      };
      const finish = (share: Share, ends: number): void => {
        const tokens = device.sequences.get(share.id)!;
        const outcome = scheduler.ran(share);
        expect(outcome).toBe(share.start + share.numTokens === tokens.length ? 'complete' : 'partial');
        if (outcome === 'partial') return;
        if (share.id % 6 === ends || tokens.length >= device.maxTokens.get(share.id)!) {
          scheduler.remove(share.id);
          device.sequences.delete(share.id);
        } else {
          tokens.push(500 + share.id);
          scheduler.extend(share.id, [500 + share.id]);
        }
      };
      const checkGauges = (): void => {
        const { waiting, active, free, blocks } = scheduler.gauges;
        expect(waiting + active + scheduler.gauges.paused).toBe(device.sequences.size);
        expect(scheduler.gauges.paused).toBe(paused.size);
        expect(active + free).toBe(options.slots);
        expect(blocks.held + blocks.free).toBe(blocks.total);
        expect(blocks.held).toBeGreaterThanOrEqual(active);
        expect(blocks.kept).toBeLessThanOrEqual(blocks.free);
      };
      for (const next of actions) {
        if (next.kind === 'add') {
          lastId += 1;
          const tokens = Array.from({ length: next.numTokens }, (_, index) => 1000 * next.family + Math.min(index, 40));
          const maxTokens = Math.min(next.numTokens + next.extra, scheduler.gauges.blocks.total * blockTokens);
          if (maxTokens < next.numTokens) continue;
          scheduler.add({ id: lastId, tokens, maxTokens, priority: next.priority });
          device.sequences.set(lastId, tokens);
          device.maxTokens.set(lastId, maxTokens);
        } else if (next.kind === 'step') step(next.ends);
        else if (next.kind === 'fail') failNext = true;
        else if (next.kind === 'remove') {
          scheduler.remove(next.which);
          device.sequences.delete(next.which);
          paused.delete(next.which);
        } else if (next.kind === 'pause') {
          const before = scheduler.gauges.paused;
          scheduler.pause(next.which);
          if (scheduler.gauges.paused > before) paused.add(next.which);
        } else {
          scheduler.resume(next.which);
          paused.delete(next.which);
        }
        checkGauges();
      }
      // Nobody starves: what is left ends within a bounded number of steps.
      failNext = false;
      for (const id of [...paused]) {
        scheduler.resume(id);
        paused.delete(id);
      }
      for (let left = 0; left < 6000 && device.sequences.size > 0; left++) {
        step(left % 6);
        checkGauges();
      }
      expect(device.sequences.size).toBe(0);
      expect(scheduler.gauges).toMatchObject({ waiting: 0, active: 0, paused: 0, free: options.slots, blocks: { held: 0 } });
    };
    fc.assert(
      fc.property(
        fc.record({
          slots: fc.integer({ min: 1, max: 5 }),
          prefillTokens: fc.integer({ min: 1, max: 40 }),
          blocks: fc.integer({ min: 1, max: 60 }),
        }),
        fc.array(action, { minLength: 20, maxLength: 60 }),
        check,
      ),
      { numRuns: 100 },
    );
    // The histories reached what they are meant to reach.
    expect(numSteps).toBeGreaterThan(300);
    expect(numCopies).toBeGreaterThan(0);
    expect(numCached).toBeGreaterThan(0);
  });

  it('runs every token that a naive scheduler runs, in the order of each sequence', () => {
    // The naive one serves requests one after the other, each token in a step of its own.
    fc.assert(
      fc.property(
        fc.array(fc.record({ prompt: fc.integer({ min: 1, max: 50 }), answer: fc.integer({ min: 1, max: 30 }) }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.record({
          slots: fc.integer({ min: 1, max: 4 }),
          prefillTokens: fc.integer({ min: 1, max: 20 }),
          blocks: fc.integer({ min: 6, max: 20 }),
        }),
        (requests, options) => {
          const scheduler = new Scheduler(options);
          const answers = new Map<number, number[]>();
          for (const [id, { prompt: length, answer }] of requests.entries()) {
            scheduler.add({ id, tokens: prompt(id, length), maxTokens: length + answer });
            answers.set(id, []);
          }
          for (let step = nextStep(scheduler); step !== undefined; step = nextStep(scheduler))
            for (const share of step.shares) {
              if (scheduler.ran(share) !== 'complete') continue;
              const answer = answers.get(share.id)!;
              answer.push(share.start + share.numTokens);
              if (answer.length === requests[share.id]!.answer) scheduler.remove(share.id);
              else scheduler.extend(share.id, [3]);
            }
          for (const [id, { prompt: length, answer }] of requests.entries())
            expect(answers.get(id)).toEqual(Array.from({ length: answer }, (_, index) => length + index));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('gives everybody a turn within a bounded number of steps', () => {
    const scheduler = new Scheduler({ slots: 3, prefillTokens: 2 });
    for (const [id, length] of [
      [1, 1],
      [2, 40],
      [3, 1],
    ] as const)
      add(scheduler, id, length);
    const turns = new Map<number, number>();
    for (let count = 0; count < 30; count++) {
      const step = nextStep(scheduler)!;
      for (const { id } of step.shares) turns.set(id, (turns.get(id) ?? 0) + 1);
      runAll(scheduler, step);
    }
    expect(Math.min(...turns.values())).toBe(30);
  });
});
