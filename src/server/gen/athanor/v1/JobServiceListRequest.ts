// Original file: proto/athanor/v1/job.proto

import type { JobState as _athanor_v1_JobState, JobState__Output as _athanor_v1_JobState__Output } from '../../athanor/v1/JobState.ts';

export interface JobServiceListRequest {
  /**
   * Only jobs in these states; all when empty.
   */
  'states'?: (_athanor_v1_JobState)[];
  /**
   * Most jobs to answer with. Default 100.
   */
  'limit'?: (number);
  '_limit'?: "limit";
}

export interface JobServiceListRequest__Output {
  /**
   * Only jobs in these states; all when empty.
   */
  'states': (_athanor_v1_JobState__Output)[];
  /**
   * Most jobs to answer with. Default 100.
   */
  'limit'?: (number);
  '_limit'?: "limit";
}
