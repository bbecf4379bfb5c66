// Original file: proto/athanor/v1/job.proto

import type { JobEvent as _athanor_v1_JobEvent, JobEvent__Output as _athanor_v1_JobEvent__Output } from '../../athanor/v1/JobEvent.ts';

export interface JobServiceWatchResponse {
  /**
   * The next event.
   */
  'event'?: (_athanor_v1_JobEvent | null);
}

export interface JobServiceWatchResponse__Output {
  /**
   * The next event.
   */
  'event': (_athanor_v1_JobEvent__Output | null);
}
