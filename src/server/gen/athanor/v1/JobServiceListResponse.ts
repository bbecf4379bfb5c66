// Original file: proto/athanor/v1/job.proto

import type { JobInfo as _athanor_v1_JobInfo, JobInfo__Output as _athanor_v1_JobInfo__Output } from '../../athanor/v1/JobInfo.ts';

export interface JobServiceListResponse {
  /**
   * Newest first.
   */
  'jobs'?: (_athanor_v1_JobInfo)[];
}

export interface JobServiceListResponse__Output {
  /**
   * Newest first.
   */
  'jobs': (_athanor_v1_JobInfo__Output)[];
}
