// Original file: proto/athanor/v1/job.proto

import type { JobStateChange as _athanor_v1_JobStateChange, JobStateChange__Output as _athanor_v1_JobStateChange__Output } from '../../athanor/v1/JobStateChange.ts';
import type { JobProgress as _athanor_v1_JobProgress, JobProgress__Output as _athanor_v1_JobProgress__Output } from '../../athanor/v1/JobProgress.ts';
import type { JobResult as _athanor_v1_JobResult, JobResult__Output as _athanor_v1_JobResult__Output } from '../../athanor/v1/JobResult.ts';
import type { JobError as _athanor_v1_JobError, JobError__Output as _athanor_v1_JobError__Output } from '../../athanor/v1/JobError.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Something that happened to a job.
 */
export interface JobEvent {
  /**
   * The job.
   */
  'jobId'?: (string);
  /**
   * 1, 2, 3, ... within the job.
   */
  'sequence'?: (number | string | Long);
  /**
   * When it happened, milliseconds since 1970.
   */
  'timeMs'?: (number | string | Long);
  /**
   * The job is in another state.
   */
  'state'?: (_athanor_v1_JobStateChange | null);
  /**
   * The job got further.
   */
  'progress'?: (_athanor_v1_JobProgress | null);
  /**
   * What the job made.
   */
  'result'?: (_athanor_v1_JobResult | null);
  /**
   * Why the job failed or was cancelled.
   */
  'error'?: (_athanor_v1_JobError | null);
  /**
   * Exactly one. The first event of a job is the state QUEUED; the last one of a watch is the state SUCCEEDED, FAILED or CANCELLED,
   * and before it comes `result` or `error` where there is one.
   */
  'event'?: "state"|"progress"|"result"|"error";
}

/**
 * Something that happened to a job.
 */
export interface JobEvent__Output {
  /**
   * The job.
   */
  'jobId': (string);
  /**
   * 1, 2, 3, ... within the job.
   */
  'sequence': (number);
  /**
   * When it happened, milliseconds since 1970.
   */
  'timeMs': (number);
  /**
   * The job is in another state.
   */
  'state'?: (_athanor_v1_JobStateChange__Output | null);
  /**
   * The job got further.
   */
  'progress'?: (_athanor_v1_JobProgress__Output | null);
  /**
   * What the job made.
   */
  'result'?: (_athanor_v1_JobResult__Output | null);
  /**
   * Why the job failed or was cancelled.
   */
  'error'?: (_athanor_v1_JobError__Output | null);
  /**
   * Exactly one. The first event of a job is the state QUEUED; the last one of a watch is the state SUCCEEDED, FAILED or CANCELLED,
   * and before it comes `result` or `error` where there is one.
   */
  'event'?: "state"|"progress"|"result"|"error";
}
