// Original file: proto/athanor/v1/job.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';
import type { ParameterChange as _athanor_v1_ParameterChange, ParameterChange__Output as _athanor_v1_ParameterChange__Output } from '../../athanor/v1/ParameterChange.ts';
import type { StepReport as _athanor_v1_StepReport, StepReport__Output as _athanor_v1_StepReport__Output } from '../../athanor/v1/StepReport.ts';
import type { CalibrationManifest as _athanor_v1_CalibrationManifest, CalibrationManifest__Output as _athanor_v1_CalibrationManifest__Output } from '../../athanor/v1/CalibrationManifest.ts';
import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from '../../athanor/v1/MemoryReport.ts';
import type { Verification as _athanor_v1_Verification, Verification__Output as _athanor_v1_Verification__Output } from '../../athanor/v1/Verification.ts';
import type { RecipeStop as _athanor_v1_RecipeStop, RecipeStop__Output as _athanor_v1_RecipeStop__Output } from '../../athanor/v1/RecipeStop.ts';

/**
 * Result of a compression.
 */
export interface CompressResult {
  /**
   * The stored model.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
  /**
   * Every parameter that was changed, step by step.
   */
  'changes'?: (_athanor_v1_ParameterChange)[];
  /**
   * The steps of the recipe, in order.
   */
  'steps'?: (_athanor_v1_StepReport)[];
  /**
   * The calibration text; absent where no step looked at any.
   */
  'calibration'?: (_athanor_v1_CalibrationManifest | null);
  /**
   * Memory, expected and measured.
   */
  'memory'?: (_athanor_v1_MemoryReport | null);
  /**
   * What a fresh process found; absent where checking is switched off.
   */
  'verification'?: (_athanor_v1_Verification | null);
  /**
   * Of the model that was compressed, on held-out data: loss (nats), and of the kind of data bitsPerByte, perplexity, accuracy, f1, matthews.
   * Empty where nothing was measured.
   */
  'startMetrics'?: ({[key: string]: number | string});
  /**
   * Why steps are missing; absent where all of the recipe made the result.
   */
  'stop'?: (_athanor_v1_RecipeStop | null);
}

/**
 * Result of a compression.
 */
export interface CompressResult__Output {
  /**
   * The stored model.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
  /**
   * Every parameter that was changed, step by step.
   */
  'changes': (_athanor_v1_ParameterChange__Output)[];
  /**
   * The steps of the recipe, in order.
   */
  'steps': (_athanor_v1_StepReport__Output)[];
  /**
   * The calibration text; absent where no step looked at any.
   */
  'calibration': (_athanor_v1_CalibrationManifest__Output | null);
  /**
   * Memory, expected and measured.
   */
  'memory': (_athanor_v1_MemoryReport__Output | null);
  /**
   * What a fresh process found; absent where checking is switched off.
   */
  'verification': (_athanor_v1_Verification__Output | null);
  /**
   * Of the model that was compressed, on held-out data: loss (nats), and of the kind of data bitsPerByte, perplexity, accuracy, f1, matthews.
   * Empty where nothing was measured.
   */
  'startMetrics': ({[key: string]: number});
  /**
   * Why steps are missing; absent where all of the recipe made the result.
   */
  'stop': (_athanor_v1_RecipeStop__Output | null);
}
