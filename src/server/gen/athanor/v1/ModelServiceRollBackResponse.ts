// Original file: proto/athanor/v1/model.proto

import type { Promotion as _athanor_v1_Promotion, Promotion__Output as _athanor_v1_Promotion__Output } from '../../athanor/v1/Promotion.ts';

export interface ModelServiceRollBackResponse {
  /**
   * What the name stands for now.
   */
  'promotion'?: (_athanor_v1_Promotion | null);
}

export interface ModelServiceRollBackResponse__Output {
  /**
   * What the name stands for now.
   */
  'promotion': (_athanor_v1_Promotion__Output | null);
}
