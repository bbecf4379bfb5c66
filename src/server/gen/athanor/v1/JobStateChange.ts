// Original file: proto/athanor/v1/job.proto

import type { JobState as _athanor_v1_JobState, JobState__Output as _athanor_v1_JobState__Output } from '../../athanor/v1/JobState.ts';

/**
 * The job is in another state.
 */
export interface JobStateChange {
  /**
   * The new state.
   */
  'state'?: (_athanor_v1_JobState);
}

/**
 * The job is in another state.
 */
export interface JobStateChange__Output {
  /**
   * The new state.
   */
  'state': (_athanor_v1_JobState__Output);
}
