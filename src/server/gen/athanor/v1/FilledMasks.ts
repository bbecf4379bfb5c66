// Original file: proto/athanor/v1/inference.proto

import type { MaskCandidates as _athanor_v1_MaskCandidates, MaskCandidates__Output as _athanor_v1_MaskCandidates__Output } from '../../athanor/v1/MaskCandidates.ts';

/**
 * The masks of one text.
 */
export interface FilledMasks {
  /**
   * One for each mask, in order.
   */
  'masks'?: (_athanor_v1_MaskCandidates)[];
}

/**
 * The masks of one text.
 */
export interface FilledMasks__Output {
  /**
   * One for each mask, in order.
   */
  'masks': (_athanor_v1_MaskCandidates__Output)[];
}
