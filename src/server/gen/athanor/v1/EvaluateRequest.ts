// Original file: proto/athanor/v1/evaluation.proto

import type { EvaluateSpec as _athanor_v1_EvaluateSpec, EvaluateSpec__Output as _athanor_v1_EvaluateSpec__Output } from '../../athanor/v1/EvaluateSpec.ts';

export interface EvaluateRequest {
  /**
   * What to do.
   */
  'spec'?: (_athanor_v1_EvaluateSpec | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority'?: (number);
}

export interface EvaluateRequest__Output {
  /**
   * What to do.
   */
  'spec': (_athanor_v1_EvaluateSpec__Output | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority': (number);
}
