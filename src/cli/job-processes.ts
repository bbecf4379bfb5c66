// What the processes of jobs are given by the server that starts them.
import { AppError } from '#base';
import type { JobStore, ServerNotes } from '#jobs';

/** The database answers; a worker has none. */
export function serverNotes({ models, promotions }: JobStore): ServerNotes {
  return {
    entry: (hash) => models.entry(hash),
    saveFacts: (hash, facts) => models.saveFacts(hash, facts),
    saveJob: (hash, jobId) => models.saveJob(hash, jobId),
    saveEvaluation: (hash, report) => models.saveEvaluation(hash, report),
    stableModel: (name) => promotions.current(name)?.model,
  };
}

/** Of jobs beside calls: Linux gives a thread a tenth of a processor that one of niceness 0 wants too. */
export const niceness = 10;

/** @throws AppError `invalid_argument` */
export function checkShare(share: number): number {
  if (share > 0 && share <= 1) return share;
  throw new AppError(
    'invalid_argument',
    `job share: ${share} is not above 0 and at most 1. Without calls jobs run all the time in any case.`,
    {
      details: { field: 'jobShare' },
    },
  );
}
