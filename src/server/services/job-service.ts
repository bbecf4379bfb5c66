// JobService: submitting, looking, watching, and what can be done with a job.
import { mayManage } from '#access';
import { AppError } from '#base';
import type { JobRecord, JobRunner } from '#jobs';
import type { CallContext, CallGate } from '../calls.ts';
import type { JobInfo } from '../gen/athanor/v1/JobInfo.ts';
import type { JobServiceHandlers } from '../gen/athanor/v1/JobService.ts';
import { jobMessage, jobStateOf, requestOfSpec } from '../messages.ts';
import { followJob } from './job-streams.ts';

const defaultLimit = 100;
const largestLimit = 1000;

export function jobService(gate: CallGate, jobs: JobRunner): JobServiceHandlers {
  const info = (job: JobRecord): JobInfo => jobMessage(job, jobs.newestProgress(job.id));
  /** @throws AppError `permission_denied` for a job of somebody else */
  const owned = (jobId: string, { caller }: CallContext): string => {
    const { owner } = jobs.get(jobId);
    if (mayManage(caller, owner)) return jobId;
    throw new AppError(
      'permission_denied',
      `job ${jobId}: belongs to ${owner === '' ? 'nobody' : `"${owner}"`}; only an admin may change it.`,
    );
  };
  return {
    Submit: gate.unary(async ({ spec, priority }, { client: owner }) => {
      const request = requestOfSpec(spec);
      return { job: info(await jobs.submit(request.kind, request.spec, { priority, owner })) };
    }),
    Get: gate.unary(async ({ jobId }) => ({ job: info(jobs.get(jobId)) })),
    List: gate.unary(async ({ states, limit = defaultLimit }) => {
      const wanted = states.flatMap((state) => jobStateOf(state) ?? []);
      if (states.length > 0 && wanted.length === 0) return { jobs: [] };
      if (limit > largestLimit)
        throw new AppError('invalid_argument', `limit: must be at most ${largestLimit}, got ${limit}.`, { details: { field: 'limit' } });
      // A job's parameters are many; lists leave the results to Get.
      return { jobs: jobs.list(wanted, limit).map((job) => ({ ...info(job), result: null })) };
    }),
    Watch: gate.serverStream(({ jobId, fromSequence }, context) => followJob(jobs, jobId, fromSequence, context)),
    Cancel: gate.unary(async ({ jobId }, context) => ({ job: info(jobs.cancel(owned(jobId, context))) })),
    Pause: gate.unary(async ({ jobId }, context) => ({ job: info(jobs.pause(owned(jobId, context))) })),
    Resume: gate.unary(async ({ jobId }, context) => ({ job: info(jobs.resume(owned(jobId, context))) })),
    Retry: gate.unary(async ({ jobId, fresh }, context) => ({
      job: info(await jobs.retry(owned(jobId, context), { fresh, owner: context.client })),
    })),
    Forget: gate.unary(async ({ jobId }, context) => {
      await jobs.remove(owned(jobId, context));
      return {};
    }),
  };
}
