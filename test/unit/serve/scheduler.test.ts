// The scheduler as a pure state machine; its invariants after every step.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scheduler, type Share } from '#serve';

/** Reports a plan as run, with every sequence going on. */
function runAll(scheduler: Scheduler, plan: readonly Share[]): void {
  for (const share of plan) if (scheduler.ran(share)) scheduler.extend(share.id);
}

describe('Scheduler', () => {
  it('runs a prompt first, then one token at a time', () => {
    const scheduler = new Scheduler({ slots: 2, prefillTokens: 100 });
    scheduler.add(1, 5);
    expect(scheduler.plan()).toEqual([{ id: 1, numTokens: 5 }]);
    expect(scheduler.ran({ id: 1, numTokens: 5 })).toBe(true);
    scheduler.extend(1);
    expect(scheduler.plan()).toEqual([{ id: 1, numTokens: 1 }]);
  });

  it('runs long prompts in pieces and says when the last one has run', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 4 });
    scheduler.add(1, 9);
    expect(scheduler.plan()).toEqual([{ id: 1, numTokens: 4 }]);
    expect(scheduler.ran({ id: 1, numTokens: 4 })).toBe(false);
    expect(scheduler.plan()).toEqual([{ id: 1, numTokens: 4 }]);
    expect(scheduler.ran({ id: 1, numTokens: 4 })).toBe(false);
    expect(scheduler.plan()).toEqual([{ id: 1, numTokens: 1 }]);
    expect(scheduler.ran({ id: 1, numTokens: 1 })).toBe(true);
  });

  it('lets prompts and decoding take turns', () => {
    const scheduler = new Scheduler({ slots: 4, prefillTokens: 8 });
    scheduler.add(1, 3);
    runAll(scheduler, scheduler.plan());
    scheduler.add(2, 20);
    scheduler.add(3, 2);
    const steps: string[] = [];
    for (let step = 0; step < 9; step++) {
      const plan = scheduler.plan();
      steps.push(plan.map(({ id, numTokens }) => `${id}x${numTokens}`).join(' '));
      runAll(scheduler, plan);
    }
    expect(steps).toEqual(['1x1', '2x8', '1x1', '2x8', '1x1', '2x4', '1x1 2x1', '3x2', '1x1 2x1 3x1']);
  });

  it('admits in the order of arrival when a slot is free', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 8 });
    for (const id of [1, 2, 3]) scheduler.add(id, 2);
    expect(scheduler.plan()).toEqual([{ id: 1, numTokens: 2 }]);
    expect(scheduler.gauges).toEqual({ waiting: 2, active: 1, free: 0 });
    scheduler.remove(2);
    scheduler.remove(1);
    expect(scheduler.gauges).toEqual({ waiting: 1, active: 0, free: 1 });
    expect(scheduler.plan()).toEqual([{ id: 3, numTokens: 2 }]);
  });

  it('ignores reports of sequences that were removed meanwhile', () => {
    const scheduler = new Scheduler({ slots: 1, prefillTokens: 8 });
    scheduler.add(1, 2);
    const [share] = scheduler.plan();
    scheduler.remove(1);
    expect(scheduler.ran(share!)).toBe(false);
    expect(scheduler.plan()).toEqual([]);
  });

  it('refuses settings that run nothing', () => {
    expect(() => new Scheduler({ slots: 0, prefillTokens: 8 })).toThrow(/invalid_argument.*slots/);
    expect(() => new Scheduler({ slots: 1, prefillTokens: 0.5 })).toThrow(/invalid_argument.*prefillTokens/);
  });

  it('keeps its promises after every step of any history', () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), numTokens: fc.integer({ min: 1, max: 12 }) }) },
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('step' as const), ends: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), which: fc.nat(30) }) },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(action, { maxLength: 60 }),
        (slots, piece, actions) => {
          const scheduler = new Scheduler({ slots, prefillTokens: piece });
          const pending = new Map<number, number>();
          let lastId = 0;
          for (const next of actions) {
            if (next.kind === 'add') {
              lastId += 1;
              scheduler.add(lastId, next.numTokens);
              pending.set(lastId, next.numTokens);
            } else if (next.kind === 'remove') {
              scheduler.remove(next.which);
              pending.delete(next.which);
            } else {
              const plan = scheduler.plan();
              expect(plan.length > 0).toBe(pending.size > 0);
              expect(new Set(plan.map(({ id }) => id)).size).toBe(plan.length);
              expect(plan.length === 1 || plan.every(({ numTokens }) => numTokens === 1)).toBe(true);
              for (const share of plan) {
                const left = pending.get(share.id)! - share.numTokens;
                expect(share.numTokens).toBeGreaterThan(0);
                expect(share.numTokens).toBeLessThanOrEqual(piece);
                expect(left).toBeGreaterThanOrEqual(0);
                expect(scheduler.ran(share)).toBe(left === 0);
                pending.set(share.id, left);
                if (left > 0) continue;
                if (share.id % 6 === next.ends) {
                  scheduler.remove(share.id);
                  pending.delete(share.id);
                } else {
                  scheduler.extend(share.id);
                  pending.set(share.id, 1);
                }
              }
            }
            const { waiting, active, free } = scheduler.gauges;
            expect(waiting + active).toBe(pending.size);
            expect(active + free).toBe(slots);
          }
        },
      ),
    );
  });

  it('starves nobody: every sequence gets its turn within a bounded number of steps', () => {
    const scheduler = new Scheduler({ slots: 3, prefillTokens: 2 });
    for (const [id, numTokens] of [
      [1, 1],
      [2, 40],
      [3, 1],
    ] as const)
      scheduler.add(id, numTokens);
    const turns = new Map<number, number>();
    for (let step = 0; step < 30; step++) {
      const plan = scheduler.plan();
      for (const { id } of plan) turns.set(id, (turns.get(id) ?? 0) + 1);
      runAll(scheduler, plan);
    }
    expect(Math.min(...turns.values())).toBeGreaterThanOrEqual(15);
  });
});
