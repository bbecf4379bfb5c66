// Original file: proto/athanor/v1/job.proto

import type { JobState as _athanor_v1_JobState, JobState__Output as _athanor_v1_JobState__Output } from '../../athanor/v1/JobState.ts';
import type { JobProgress as _athanor_v1_JobProgress, JobProgress__Output as _athanor_v1_JobProgress__Output } from '../../athanor/v1/JobProgress.ts';
import type { JobResult as _athanor_v1_JobResult, JobResult__Output as _athanor_v1_JobResult__Output } from '../../athanor/v1/JobResult.ts';
import type { JobError as _athanor_v1_JobError, JobError__Output as _athanor_v1_JobError__Output } from '../../athanor/v1/JobError.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * A job as it is now.
 */
export interface JobInfo {
  /**
   * Identifier.
   */
  'id'?: (string);
  /**
   * "import", "compress", "distill", "evaluate" or "export".
   */
  'kind'?: (string);
  /**
   * Where it is.
   */
  'state'?: (_athanor_v1_JobState);
  /**
   * Model it reads.
   */
  'source'?: (string);
  /**
   * Name that it writes; empty when it writes none.
   */
  'target'?: (string);
  /**
   * Submitted, milliseconds since 1970.
   */
  'createdMs'?: (number | string | Long);
  /**
   * Last started; 0 while it waits.
   */
  'startedMs'?: (number | string | Long);
  /**
   * Ended; 0 before.
   */
  'finishedMs'?: (number | string | Long);
  /**
   * Sequence number of its newest event.
   */
  'lastSequence'?: (number | string | Long);
  /**
   * Newest progress; absent before the first.
   */
  'progress'?: (_athanor_v1_JobProgress | null);
  /**
   * Present when it succeeded.
   */
  'result'?: (_athanor_v1_JobResult | null);
  /**
   * Present when it failed or was cancelled, and when it was paused because its process died too often.
   */
  'error'?: (_athanor_v1_JobError | null);
  /**
   * How often it was started; more than 1 after a resume.
   */
  'attempts'?: (number);
  /**
   * Of the waiting jobs those of the highest start first, and of these the oldest.
   */
  'priority'?: (number);
  /**
   * Who submitted it; empty where the server does not ask.
   */
  'owner'?: (string);
  /**
   * The job that this one goes on from; empty for none.
   */
  'retryOf'?: (string);
  /**
   * It runs, was asked to pause, and has not stopped yet.
   */
  'isPausing'?: (boolean);
}

/**
 * A job as it is now.
 */
export interface JobInfo__Output {
  /**
   * Identifier.
   */
  'id': (string);
  /**
   * "import", "compress", "distill", "evaluate" or "export".
   */
  'kind': (string);
  /**
   * Where it is.
   */
  'state': (_athanor_v1_JobState__Output);
  /**
   * Model it reads.
   */
  'source': (string);
  /**
   * Name that it writes; empty when it writes none.
   */
  'target': (string);
  /**
   * Submitted, milliseconds since 1970.
   */
  'createdMs': (number);
  /**
   * Last started; 0 while it waits.
   */
  'startedMs': (number);
  /**
   * Ended; 0 before.
   */
  'finishedMs': (number);
  /**
   * Sequence number of its newest event.
   */
  'lastSequence': (number);
  /**
   * Newest progress; absent before the first.
   */
  'progress': (_athanor_v1_JobProgress__Output | null);
  /**
   * Present when it succeeded.
   */
  'result': (_athanor_v1_JobResult__Output | null);
  /**
   * Present when it failed or was cancelled, and when it was paused because its process died too often.
   */
  'error': (_athanor_v1_JobError__Output | null);
  /**
   * How often it was started; more than 1 after a resume.
   */
  'attempts': (number);
  /**
   * Of the waiting jobs those of the highest start first, and of these the oldest.
   */
  'priority': (number);
  /**
   * Who submitted it; empty where the server does not ask.
   */
  'owner': (string);
  /**
   * The job that this one goes on from; empty for none.
   */
  'retryOf': (string);
  /**
   * It runs, was asked to pause, and has not stopped yet.
   */
  'isPausing': (boolean);
}
