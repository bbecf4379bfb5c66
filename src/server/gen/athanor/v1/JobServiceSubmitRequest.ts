// Original file: proto/athanor/v1/job.proto

import type { JobSpec as _athanor_v1_JobSpec, JobSpec__Output as _athanor_v1_JobSpec__Output } from '../../athanor/v1/JobSpec.ts';

export interface JobServiceSubmitRequest {
  /**
   * What to do.
   */
  'spec'?: (_athanor_v1_JobSpec | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority'?: (number);
}

export interface JobServiceSubmitRequest__Output {
  /**
   * What to do.
   */
  'spec': (_athanor_v1_JobSpec__Output | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority': (number);
}
