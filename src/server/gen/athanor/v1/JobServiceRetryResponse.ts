// Original file: proto/athanor/v1/job.proto

import type { JobInfo as _athanor_v1_JobInfo, JobInfo__Output as _athanor_v1_JobInfo__Output } from '../../athanor/v1/JobInfo.ts';

export interface JobServiceRetryResponse {
  /**
   * The new job.
   */
  'job'?: (_athanor_v1_JobInfo | null);
}

export interface JobServiceRetryResponse__Output {
  /**
   * The new job.
   */
  'job': (_athanor_v1_JobInfo__Output | null);
}
