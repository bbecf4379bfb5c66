// Following the log of a job: reads from the store at the reader's pace, so that a slow reader costs the job nothing.
import { isFinal, type JobEvent } from './job.ts';
import type { JobStore } from './job-store.ts';

/** Rows read at once. */
const pageSize = 256;

export interface FeedOptions {
  /** A live reader that is this many events behind skips progress that newer progress replaced. */
  readonly largestLag?: number;
}

/** Wakes readers when something was stored. */
export class EventFeed {
  readonly #store: JobStore;
  readonly #largestLag: number;
  readonly #waiting = new Map<string, Set<() => void>>();
  #closed = false;

  constructor(store: JobStore, { largestLag = 512 }: FeedOptions = {}) {
    this.#store = store;
    this.#largestLag = largestLag;
  }

  /** Says that the log of a job has grown. */
  notify(jobId: string): void {
    const waiting = this.#waiting.get(jobId);
    this.#waiting.delete(jobId);
    for (const wake of waiting ?? []) wake();
  }

  /** Ends every reading; the log stays for later. */
  close(): void {
    this.#closed = true;
    for (const jobId of [...this.#waiting.keys()]) this.notify(jobId);
  }

  /**
   * All events of a job from a sequence number on, then those to come; ends after the final state, on `signal`, or on `close`.
   *
   * What was in the log at the start comes whole. Later progress may be thinned for a reader that falls behind; states, results and errors never.
   *
   * @throws AppError `job_not_found`
   */
  async *watch(jobId: string, fromSequence: number, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    const history = this.#store.get(jobId).lastSequence;
    let next = Math.max(1, fromSequence);
    const isOver = (): boolean => this.#closed || signal?.aborted === true;
    while (!isOver()) {
      const { lastSequence, state } = this.#store.get(jobId);
      const behind = lastSequence - next >= this.#largestLag && next > history;
      const page = this.#store.events(jobId, { from: next, limit: pageSize, progressFrom: behind ? lastSequence - pageSize / 2 : 0 });
      for (const event of page) {
        if (isOver()) return;
        yield event;
        next = event.sequence + 1;
      }
      if (next <= lastSequence && page.length > 0) continue;
      if (isFinal(state)) return;
      // What was stored while the reader held an event has woken nobody: look again before waiting.
      if (this.#store.get(jobId).lastSequence < next) await this.#wait(jobId, signal);
    }
  }

  #wait(jobId: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(jobId) ?? new Set();
      this.#waiting.set(jobId, waiting);
      const wake = (): void => {
        signal?.removeEventListener('abort', wake);
        waiting.delete(wake);
        resolve();
      };
      waiting.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      if (this.#closed || signal?.aborted === true) wake();
    });
  }
}
