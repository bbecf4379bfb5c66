// Original file: proto/athanor/v1/job.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';

/**
 * Result of an import.
 */
export interface ImportResult {
  /**
   * The stored model.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
}

/**
 * Result of an import.
 */
export interface ImportResult__Output {
  /**
   * The stored model.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
}
