// Following jobs over the wire: the streams of Compress, Distill, Evaluate and Watch.
import { AppError } from '#base';
import { isFinal, type JobRunner } from '#jobs';
import type { CallContext } from '../calls.ts';
import type { JobEvent } from '../gen/athanor/v1/JobEvent.ts';
import { eventMessage, type JobRequest } from '../messages.ts';

/**
 * The events of a job until its end. Leaving the stream leaves the job alone.
 *
 * @throws AppError `job_not_found` | `unavailable` with the sequence number to go on from, when the server stops first
 */
export async function* followJob(
  jobs: JobRunner,
  jobId: string,
  fromSequence: number,
  { signal }: CallContext,
): AsyncGenerator<{ event: JobEvent }> {
  const { kind } = jobs.get(jobId);
  let next = Math.max(1, fromSequence);
  let ended = isFinal(jobs.get(jobId).state);
  for await (const event of jobs.watch(jobId, fromSequence, signal)) {
    yield { event: eventMessage(event, kind) };
    next = event.sequence + 1;
    ended = event.kind === 'state' && isFinal(event.state);
  }
  if (ended || signal.aborted) return;
  throw new AppError('unavailable', `the server is stopping. Watch job ${jobId} from sequence number ${next} when it is back.`, {
    details: { jobId, fromSequence: next },
  });
}

/** Submits a job and follows it. */
export async function* startJob(
  jobs: JobRunner,
  { kind, spec }: JobRequest,
  priority: number,
  context: CallContext,
): AsyncGenerator<{ event: JobEvent }> {
  const { id } = await jobs.submit(kind, spec, { priority, owner: context.client });
  yield* followJob(jobs, id, 1, context);
}
