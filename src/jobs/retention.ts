// How long ended jobs and their work folders stay.
import { readdir } from 'node:fs/promises';
import type { Clock } from '#base';
import type { JobStore } from './job-store.ts';

export interface Retention {
  /** Ended jobs stay this long. */
  readonly maxAgeMs: number;
  /** So many ended jobs stay, the newest. */
  readonly maxJobs: number;
}

const dayMs = 24 * 3600 * 1000;

export const defaultRetention: Retention = { maxAgeMs: 30 * dayMs, maxJobs: 10_000 };

/** Removes the jobs whose time is over from the store, and answers which. */
export function removeExpired(store: JobStore, clock: Clock, { maxAgeMs, maxJobs }: Retention): readonly string[] {
  const expired = store.expired({ endedBeforeMs: clock.nowMs() - maxAgeMs, keep: maxJobs });
  if (expired.length > 0) store.remove(expired);
  return expired;
}

/** Folders of jobs that the store does not know. A job is in the store before it has a folder, so the folders are read first. */
export async function strayFolders(workFolder: string, store: JobStore): Promise<readonly string[]> {
  const names = await readdir(workFolder).catch(() => []);
  const known = new Set(store.ids());
  return names.filter((name) => !known.has(name));
}
