// Keeps one job ahead of the consumer, so that the host part of one overlaps with the device part of the next.

/**
 * Starts the next job before the result of the one before is handed out; results come in the order of the jobs.
 *
 * When a job fails or the consumer stops early, the job that is still running is waited for: nothing runs on after the end.
 */
export async function* overlapped<T>(jobs: AsyncIterable<() => Promise<T>>): AsyncGenerator<T> {
  let running: Promise<T> | undefined;
  try {
    for await (const job of jobs) {
      const before = running;
      running = job();
      // Its failure is thrown when its turn comes; until then it is not an unhandled one.
      running.catch(() => {});
      if (before !== undefined) yield await before;
    }
    if (running !== undefined) yield await running;
  } finally {
    await running?.catch(() => {});
  }
}
