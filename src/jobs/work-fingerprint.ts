// What decides the result of a job, as one hash: unfinished work is taken up again only where all of it is the same.
import { createHash } from 'node:crypto';
import type { Engine } from '#engine';

/**
 * Raised whenever the same inputs would become other weights, or unfinished work would be read otherwise. Releases that change
 * neither keep it, so that an upgrade in the middle of a long job does not cost the job.
 */
const workVersion = 1;

/** @param parts - plain JSON: models, data and settings */
export function workFingerprint({ name, runtime }: Pick<Engine, 'name' | 'runtime'>, parts: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify([workVersion, name, runtime, ...parts]))
    .digest('hex');
}

/** The end of a sentence about work of another fingerprint. */
export const otherWork = 'with other models, data or settings, or by another version of athanor or of its runtime';
