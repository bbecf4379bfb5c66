// Places and who waits for them: order, priorities, leaving, and limits of time.
import { describe, expect, it } from 'vitest';
import { SlotGate } from '../../../src/serve/slot-gate.ts';

const quiet = new AbortController().signal;

describe('places', () => {
  it('go to smaller priorities first, then to whoever came first', async () => {
    const gate = new SlotGate(1);
    const order: string[] = [];
    await gate.enter({ signal: quiet });
    const waiting = [['a', 0] as const, ['b', 1] as const, ['c', 0] as const, ['d', -1] as const].map(([name, priority]) =>
      gate.enter({ signal: quiet, priority }).then(() => order.push(name)),
    );
    expect([gate.free, gate.waiting]).toEqual([0, 4]);
    for (const _ of waiting) {
      gate.leave();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(order).toEqual(['d', 'a', 'c', 'b']);
    gate.leave();
    expect([gate.free, gate.waiting]).toEqual([1, 0]);
  });

  it('are not taken by who was cancelled or waited too long', async () => {
    const gate = new SlotGate(1);
    await expect(gate.enter({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await gate.enter({ signal: quiet });
    const stop = new AbortController();
    const gone = gate.enter({ signal: stop.signal });
    stop.abort();
    await expect(gone).rejects.toMatchObject({ code: 'cancelled' });
    await expect(gate.enter({ signal: quiet, timeoutMs: 1 })).rejects.toMatchObject({ code: 'overloaded' });
    gate.leave();
    expect([gate.free, gate.waiting]).toEqual([1, 0]);
  });
});
