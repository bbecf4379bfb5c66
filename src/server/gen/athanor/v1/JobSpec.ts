// Original file: proto/athanor/v1/job.proto

import type { ImportSpec as _athanor_v1_ImportSpec, ImportSpec__Output as _athanor_v1_ImportSpec__Output } from '../../athanor/v1/ImportSpec.ts';
import type { CompressSpec as _athanor_v1_CompressSpec, CompressSpec__Output as _athanor_v1_CompressSpec__Output } from '../../athanor/v1/CompressSpec.ts';
import type { DistillSpec as _athanor_v1_DistillSpec, DistillSpec__Output as _athanor_v1_DistillSpec__Output } from '../../athanor/v1/DistillSpec.ts';
import type { EvaluateSpec as _athanor_v1_EvaluateSpec, EvaluateSpec__Output as _athanor_v1_EvaluateSpec__Output } from '../../athanor/v1/EvaluateSpec.ts';
import type { ExportSpec as _athanor_v1_ExportSpec, ExportSpec__Output as _athanor_v1_ExportSpec__Output } from '../../athanor/v1/ExportSpec.ts';
import type { RecordSpec as _athanor_v1_RecordSpec, RecordSpec__Output as _athanor_v1_RecordSpec__Output } from '../../athanor/v1/RecordSpec.ts';

/**
 * What a job is to do.
 */
export interface JobSpec {
  /**
   * Read a Hugging Face folder on the server.
   */
  'importModel'?: (_athanor_v1_ImportSpec | null);
  /**
   * Change how a model is stored.
   */
  'compress'?: (_athanor_v1_CompressSpec | null);
  /**
   * Train a model, against a teacher or alone.
   */
  'distill'?: (_athanor_v1_DistillSpec | null);
  /**
   * Measure a model.
   */
  'evaluate'?: (_athanor_v1_EvaluateSpec | null);
  /**
   * Write a model in another layout.
   */
  'export'?: (_athanor_v1_ExportSpec | null);
  /**
   * Write down what a teacher says of a text.
   */
  'record'?: (_athanor_v1_RecordSpec | null);
  /**
   * Exactly one.
   */
  'spec'?: "importModel"|"compress"|"distill"|"evaluate"|"export"|"record";
}

/**
 * What a job is to do.
 */
export interface JobSpec__Output {
  /**
   * Read a Hugging Face folder on the server.
   */
  'importModel'?: (_athanor_v1_ImportSpec__Output | null);
  /**
   * Change how a model is stored.
   */
  'compress'?: (_athanor_v1_CompressSpec__Output | null);
  /**
   * Train a model, against a teacher or alone.
   */
  'distill'?: (_athanor_v1_DistillSpec__Output | null);
  /**
   * Measure a model.
   */
  'evaluate'?: (_athanor_v1_EvaluateSpec__Output | null);
  /**
   * Write a model in another layout.
   */
  'export'?: (_athanor_v1_ExportSpec__Output | null);
  /**
   * Write down what a teacher says of a text.
   */
  'record'?: (_athanor_v1_RecordSpec__Output | null);
  /**
   * Exactly one.
   */
  'spec'?: "importModel"|"compress"|"distill"|"evaluate"|"export"|"record";
}
