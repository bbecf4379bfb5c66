// Original file: proto/athanor/v1/job.proto

import type { EvaluationReport as _athanor_v1_EvaluationReport, EvaluationReport__Output as _athanor_v1_EvaluationReport__Output } from '../../athanor/v1/EvaluationReport.ts';
import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from '../../athanor/v1/MemoryReport.ts';

/**
 * Result of an evaluation.
 */
export interface EvaluateResult {
  /**
   * What was measured. It is stored with the model too.
   */
  'report'?: (_athanor_v1_EvaluationReport | null);
  /**
   * Expected and measured.
   */
  'memory'?: (_athanor_v1_MemoryReport | null);
}

/**
 * Result of an evaluation.
 */
export interface EvaluateResult__Output {
  /**
   * What was measured. It is stored with the model too.
   */
  'report': (_athanor_v1_EvaluationReport__Output | null);
  /**
   * Expected and measured.
   */
  'memory': (_athanor_v1_MemoryReport__Output | null);
}
