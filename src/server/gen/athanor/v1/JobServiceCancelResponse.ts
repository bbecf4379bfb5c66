// Original file: proto/athanor/v1/job.proto

import type { JobInfo as _athanor_v1_JobInfo, JobInfo__Output as _athanor_v1_JobInfo__Output } from '../../athanor/v1/JobInfo.ts';

export interface JobServiceCancelResponse {
  /**
   * The job, CANCELLING or ended.
   */
  'job'?: (_athanor_v1_JobInfo | null);
}

export interface JobServiceCancelResponse__Output {
  /**
   * The job, CANCELLING or ended.
   */
  'job': (_athanor_v1_JobInfo__Output | null);
}
