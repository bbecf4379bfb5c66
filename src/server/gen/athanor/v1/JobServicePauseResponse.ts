// Original file: proto/athanor/v1/job.proto

import type { JobInfo as _athanor_v1_JobInfo, JobInfo__Output as _athanor_v1_JobInfo__Output } from '../../athanor/v1/JobInfo.ts';

export interface JobServicePauseResponse {
  /**
   * The job, PAUSED or on the way to it.
   */
  'job'?: (_athanor_v1_JobInfo | null);
}

export interface JobServicePauseResponse__Output {
  /**
   * The job, PAUSED or on the way to it.
   */
  'job': (_athanor_v1_JobInfo__Output | null);
}
