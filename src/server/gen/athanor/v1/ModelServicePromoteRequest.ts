// Original file: proto/athanor/v1/model.proto

import type { Thresholds as _athanor_v1_Thresholds, Thresholds__Output as _athanor_v1_Thresholds__Output } from '../../athanor/v1/Thresholds.ts';

export interface ModelServicePromoteRequest {
  /**
   * The stable name. No model may have it.
   */
  'alias'?: (string);
  /**
   * Model, or name@version.
   */
  'model'?: (string);
  /**
   * In place of the thresholds that the name has. A new name needs some.
   */
  'thresholds'?: (_athanor_v1_Thresholds | null);
}

export interface ModelServicePromoteRequest__Output {
  /**
   * The stable name. No model may have it.
   */
  'alias': (string);
  /**
   * Model, or name@version.
   */
  'model': (string);
  /**
   * In place of the thresholds that the name has. A new name needs some.
   */
  'thresholds': (_athanor_v1_Thresholds__Output | null);
}
