// Original file: proto/athanor/v1/job.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';
import type { Verification as _athanor_v1_Verification, Verification__Output as _athanor_v1_Verification__Output } from '../../athanor/v1/Verification.ts';
import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from '../../athanor/v1/MemoryReport.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Result of a training.
 */
export interface DistillResult {
  /**
   * The stored model.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
  /**
   * Optimizer steps done, those before a resume included.
   */
  'steps'?: (number | string | Long);
  /**
   * Training loss of the last step.
   */
  'finalLoss'?: (number | string);
  /**
   * Measures of the last validation, for example bitsPerByte, accuracy or lossNats; empty without validation text.
   */
  'validation'?: ({[key: string]: number | string});
  /**
   * What a fresh process found; absent where checking is switched off.
   */
  'verification'?: (_athanor_v1_Verification | null);
  /**
   * Memory, expected and measured.
   */
  'memory'?: (_athanor_v1_MemoryReport | null);
}

/**
 * Result of a training.
 */
export interface DistillResult__Output {
  /**
   * The stored model.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
  /**
   * Optimizer steps done, those before a resume included.
   */
  'steps': (number);
  /**
   * Training loss of the last step.
   */
  'finalLoss': (number);
  /**
   * Measures of the last validation, for example bitsPerByte, accuracy or lossNats; empty without validation text.
   */
  'validation': ({[key: string]: number});
  /**
   * What a fresh process found; absent where checking is switched off.
   */
  'verification': (_athanor_v1_Verification__Output | null);
  /**
   * Memory, expected and measured.
   */
  'memory': (_athanor_v1_MemoryReport__Output | null);
}
