// Original file: proto/athanor/v1/compression.proto

import type { JobEvent as _athanor_v1_JobEvent, JobEvent__Output as _athanor_v1_JobEvent__Output } from '../../athanor/v1/JobEvent.ts';

export interface CompressResponse {
  /**
   * The next event, as JobService.Watch sends it.
   */
  'event'?: (_athanor_v1_JobEvent | null);
}

export interface CompressResponse__Output {
  /**
   * The next event, as JobService.Watch sends it.
   */
  'event': (_athanor_v1_JobEvent__Output | null);
}
