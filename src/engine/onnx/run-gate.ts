// Limits how many native calls are under way, so that files, timers and DNS keep a thread of the process's pool.
import { AppError } from '#base';

// Native calls run on libuv's pool, which has four threads unless the process was started with another number.
const poolThreads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
const maxNativeCalls = Math.max(1, (Number.isInteger(poolThreads) ? poolThreads : 4) - 1);

let numActive = 0;
const waiting: (() => void)[] = [];

/**
 * Runs `call` when a thread is free, in order of arrival. A caller that is aborted while it waits leaves the queue.
 *
 * @throws AppError `cancelled`
 */
export async function withNativeThread<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  await enter(signal);
  try {
    return await call();
  } finally {
    numActive--;
    waiting.shift()?.();
  }
}

let lastAlone: Promise<unknown> = Promise.resolve();

/**
 * Runs `call` when no other native call is under way, and lets none begin before it has ended. One after the other, so that no two wait for each other.
 *
 * @throws AppError `cancelled`
 */
export function withAllNativeThreads<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const alone = lastAlone.then(() => holdingThreads(maxNativeCalls, call, signal));
  lastAlone = alone.catch(() => {});
  return alone;
}

function holdingThreads<T>(count: number, call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return count === 0 ? call() : withNativeThread(() => holdingThreads(count - 1, call, signal), signal);
}

function enter(signal: AbortSignal | undefined): Promise<void> {
  const cancelled = (): AppError => new AppError('cancelled', 'the run was stopped on request before it began.');
  if (signal?.aborted === true) return Promise.reject(cancelled());
  if (numActive < maxNativeCalls) {
    numActive++;
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      signal?.removeEventListener('abort', leave);
      numActive++;
      resolve();
    };
    const leave = (): void => {
      waiting.splice(waiting.indexOf(begin), 1);
      reject(cancelled());
    };
    signal?.addEventListener('abort', leave, { once: true });
    waiting.push(begin);
  });
}
