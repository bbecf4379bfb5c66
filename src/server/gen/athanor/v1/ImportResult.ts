// Original file: proto/athanor/v1/job.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';
import type { Verification as _athanor_v1_Verification, Verification__Output as _athanor_v1_Verification__Output } from '../../athanor/v1/Verification.ts';
import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from '../../athanor/v1/MemoryReport.ts';

/**
 * Result of an import.
 */
export interface ImportResult {
  /**
   * The stored model.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
  /**
   * What a fresh process found; absent where checking is switched off.
   */
  'verification'?: (_athanor_v1_Verification | null);
  /**
   * Expected and measured.
   */
  'memory'?: (_athanor_v1_MemoryReport | null);
}

/**
 * Result of an import.
 */
export interface ImportResult__Output {
  /**
   * The stored model.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
  /**
   * What a fresh process found; absent where checking is switched off.
   */
  'verification': (_athanor_v1_Verification__Output | null);
  /**
   * Expected and measured.
   */
  'memory': (_athanor_v1_MemoryReport__Output | null);
}
