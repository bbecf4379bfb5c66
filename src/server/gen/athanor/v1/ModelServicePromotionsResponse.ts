// Original file: proto/athanor/v1/model.proto

import type { Promotion as _athanor_v1_Promotion, Promotion__Output as _athanor_v1_Promotion__Output } from '../../athanor/v1/Promotion.ts';

export interface ModelServicePromotionsResponse {
  /**
   * Of one name: newest first. Of all: by name.
   */
  'promotions'?: (_athanor_v1_Promotion)[];
}

export interface ModelServicePromotionsResponse__Output {
  /**
   * Of one name: newest first. Of all: by name.
   */
  'promotions': (_athanor_v1_Promotion__Output)[];
}
