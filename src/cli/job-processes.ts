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

/** Linux gives a thread 1.25 times less of a wanted processor for each step of niceness. */
const weightOfStep = 1.25;
const mostNiceness = 19;

/**
 * Niceness at which as many threads of jobs get this share of a processor that as many threads of calls want too. It costs nothing while calls leave
 * the processor alone.
 *
 * @param share - above 0, at most 0.5: equal parts
 * @throws AppError `invalid_argument`
 */
export function nicenessOf(share: number): number {
  if (!(share > 0 && share <= 0.5))
    throw new AppError('invalid_argument', `job share: ${share} is not above 0 and at most 0.5. Jobs get what calls leave in any case.`, {
      details: { field: 'jobShare' },
    });
  return Math.min(mostNiceness, Math.round(Math.log((1 - share) / share) / Math.log(weightOfStep)));
}
