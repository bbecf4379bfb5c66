// Original file: proto/athanor/v1/model.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';

export interface ModelServiceLoadResponse {
  /**
   * With `loaded` and `resident_bytes`.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
}

export interface ModelServiceLoadResponse__Output {
  /**
   * With `loaded` and `resident_bytes`.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
}
