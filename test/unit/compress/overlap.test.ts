// Jobs one ahead of the consumer: order, overlap, and nothing left running after a failure.
import { describe, expect, it } from 'vitest';
import { overlapped } from '../../../src/compress/overlap.ts';

interface Deferred {
  readonly promise: Promise<number>;
  resolve(value: number): void;
  reject(error: Error): void;
}

function deferred(): Deferred {
  let resolve: (value: number) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<number>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('overlapped', () => {
  it('starts a job before the one before has ended, and keeps the order', async () => {
    const started: number[] = [];
    const gates = [deferred(), deferred(), deferred()];
    async function* jobs(): AsyncGenerator<() => Promise<number>> {
      for (const [index, gate] of gates.entries())
        yield () => {
          started.push(index);
          return gate.promise;
        };
    }
    const results: number[] = [];
    const done = (async () => {
      for await (const result of overlapped(jobs())) results.push(result);
    })();
    gates[1]!.resolve(11);
    await new Promise(setImmediate);
    expect([started, results]).toEqual([[0, 1], []]);
    gates[0]!.resolve(10);
    gates[2]!.resolve(12);
    await done;
    expect(results).toEqual([10, 11, 12]);
  });

  it('waits for the job that is running before it passes a failure on', async () => {
    const slow = deferred();
    let hasFailed = false;
    async function* jobs(): AsyncGenerator<() => Promise<number>> {
      yield () => Promise.reject(new Error('first'));
      yield () => slow.promise;
    }
    const done = (async () => {
      for await (const result of overlapped(jobs())) expect(result).toBeUndefined();
    })().catch((error: Error) => {
      hasFailed = true;
      return error.message;
    });
    await new Promise(setImmediate);
    expect(hasFailed).toBe(false);
    slow.reject(new Error('second'));
    expect(await done).toBe('first');
  });

  it('gives nothing for no jobs', async () => {
    async function* jobs(): AsyncGenerator<() => Promise<number>> {}
    const results: number[] = [];
    for await (const result of overlapped(jobs())) results.push(result);
    expect(results).toEqual([]);
  });
});
