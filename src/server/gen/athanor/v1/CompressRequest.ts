// Original file: proto/athanor/v1/compression.proto

import type { CompressSpec as _athanor_v1_CompressSpec, CompressSpec__Output as _athanor_v1_CompressSpec__Output } from '../../athanor/v1/CompressSpec.ts';

export interface CompressRequest {
  /**
   * What to do.
   */
  'spec'?: (_athanor_v1_CompressSpec | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority'?: (number);
}

export interface CompressRequest__Output {
  /**
   * What to do.
   */
  'spec': (_athanor_v1_CompressSpec__Output | null);
  /**
   * Of the waiting jobs those of the highest start first. Default 0; may be negative.
   */
  'priority': (number);
}
