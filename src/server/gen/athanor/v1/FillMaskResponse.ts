// Original file: proto/athanor/v1/inference.proto

import type { FilledMasks as _athanor_v1_FilledMasks, FilledMasks__Output as _athanor_v1_FilledMasks__Output } from '../../athanor/v1/FilledMasks.ts';

export interface FillMaskResponse {
  /**
   * One for each text, in order.
   */
  'results'?: (_athanor_v1_FilledMasks)[];
}

export interface FillMaskResponse__Output {
  /**
   * One for each text, in order.
   */
  'results': (_athanor_v1_FilledMasks__Output)[];
}
