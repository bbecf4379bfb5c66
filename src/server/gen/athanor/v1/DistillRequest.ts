// Original file: proto/athanor/v1/distillation.proto

import type { DistillSpec as _athanor_v1_DistillSpec, DistillSpec__Output as _athanor_v1_DistillSpec__Output } from '../../athanor/v1/DistillSpec.ts';

export interface DistillRequest {
  /**
   * What to do.
   */
  'spec'?: (_athanor_v1_DistillSpec | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority'?: (number);
}

export interface DistillRequest__Output {
  /**
   * What to do.
   */
  'spec': (_athanor_v1_DistillSpec__Output | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority': (number);
}
