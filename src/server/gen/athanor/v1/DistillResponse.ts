// Original file: proto/athanor/v1/distillation.proto

import type { JobEvent as _athanor_v1_JobEvent, JobEvent__Output as _athanor_v1_JobEvent__Output } from '../../athanor/v1/JobEvent.ts';

export interface DistillResponse {
  /**
   * The next event, as JobService.Watch sends it.
   */
  'event'?: (_athanor_v1_JobEvent | null);
}

export interface DistillResponse__Output {
  /**
   * The next event, as JobService.Watch sends it.
   */
  'event': (_athanor_v1_JobEvent__Output | null);
}
