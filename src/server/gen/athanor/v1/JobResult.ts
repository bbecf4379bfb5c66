// Original file: proto/athanor/v1/job.proto

import type { ImportResult as _athanor_v1_ImportResult, ImportResult__Output as _athanor_v1_ImportResult__Output } from '../../athanor/v1/ImportResult.ts';
import type { CompressResult as _athanor_v1_CompressResult, CompressResult__Output as _athanor_v1_CompressResult__Output } from '../../athanor/v1/CompressResult.ts';
import type { DistillResult as _athanor_v1_DistillResult, DistillResult__Output as _athanor_v1_DistillResult__Output } from '../../athanor/v1/DistillResult.ts';
import type { EvaluateResult as _athanor_v1_EvaluateResult, EvaluateResult__Output as _athanor_v1_EvaluateResult__Output } from '../../athanor/v1/EvaluateResult.ts';
import type { ExportResult as _athanor_v1_ExportResult, ExportResult__Output as _athanor_v1_ExportResult__Output } from '../../athanor/v1/ExportResult.ts';
import type { RecordResult as _athanor_v1_RecordResult, RecordResult__Output as _athanor_v1_RecordResult__Output } from '../../athanor/v1/RecordResult.ts';

/**
 * What a job made.
 */
export interface JobResult {
  /**
   * Of an import.
   */
  'importModel'?: (_athanor_v1_ImportResult | null);
  /**
   * Of a compression.
   */
  'compress'?: (_athanor_v1_CompressResult | null);
  /**
   * Of a training.
   */
  'distill'?: (_athanor_v1_DistillResult | null);
  /**
   * Of an evaluation.
   */
  'evaluate'?: (_athanor_v1_EvaluateResult | null);
  /**
   * Of an export.
   */
  'export'?: (_athanor_v1_ExportResult | null);
  /**
   * Of a recording.
   */
  'record'?: (_athanor_v1_RecordResult | null);
  /**
   * The kind of its spec.
   */
  'result'?: "importModel"|"compress"|"distill"|"evaluate"|"export"|"record";
}

/**
 * What a job made.
 */
export interface JobResult__Output {
  /**
   * Of an import.
   */
  'importModel'?: (_athanor_v1_ImportResult__Output | null);
  /**
   * Of a compression.
   */
  'compress'?: (_athanor_v1_CompressResult__Output | null);
  /**
   * Of a training.
   */
  'distill'?: (_athanor_v1_DistillResult__Output | null);
  /**
   * Of an evaluation.
   */
  'evaluate'?: (_athanor_v1_EvaluateResult__Output | null);
  /**
   * Of an export.
   */
  'export'?: (_athanor_v1_ExportResult__Output | null);
  /**
   * Of a recording.
   */
  'record'?: (_athanor_v1_RecordResult__Output | null);
  /**
   * The kind of its spec.
   */
  'result'?: "importModel"|"compress"|"distill"|"evaluate"|"export"|"record";
}
