// Original file: proto/athanor/v1/model.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';

export interface ModelServiceListResponse {
  /**
   * By name, without `parameters`.
   */
  'models'?: (_athanor_v1_ModelInfo)[];
}

export interface ModelServiceListResponse__Output {
  /**
   * By name, without `parameters`.
   */
  'models': (_athanor_v1_ModelInfo__Output)[];
}
