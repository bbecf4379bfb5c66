// Original file: proto/athanor/v1/inference.proto

import type { MaskCandidate as _athanor_v1_MaskCandidate, MaskCandidate__Output as _athanor_v1_MaskCandidate__Output } from '../../athanor/v1/MaskCandidate.ts';

/**
 * What may stand in place of a mask.
 */
export interface MaskCandidates {
  /**
   * Likeliest first.
   */
  'candidates'?: (_athanor_v1_MaskCandidate)[];
}

/**
 * What may stand in place of a mask.
 */
export interface MaskCandidates__Output {
  /**
   * Likeliest first.
   */
  'candidates': (_athanor_v1_MaskCandidate__Output)[];
}
