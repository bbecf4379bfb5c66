// Original file: proto/athanor/v1/job.proto

import type { TextData as _athanor_v1_TextData, TextData__Output as _athanor_v1_TextData__Output } from '../../athanor/v1/TextData.ts';
import type { EvaluateSettings as _athanor_v1_EvaluateSettings, EvaluateSettings__Output as _athanor_v1_EvaluateSettings__Output } from '../../athanor/v1/EvaluateSettings.ts';

/**
 * Measures a model.
 */
export interface EvaluateSpec {
  /**
   * Model to measure.
   */
  'model'?: (string);
  /**
   * Teacher to compare with; empty for none.
   */
  'teacher'?: (string);
  /**
   * Text to measure on.
   */
  'data'?: (_athanor_v1_TextData | null);
  /**
   * How to measure.
   */
  'settings'?: (_athanor_v1_EvaluateSettings | null);
}

/**
 * Measures a model.
 */
export interface EvaluateSpec__Output {
  /**
   * Model to measure.
   */
  'model': (string);
  /**
   * Teacher to compare with; empty for none.
   */
  'teacher': (string);
  /**
   * Text to measure on.
   */
  'data': (_athanor_v1_TextData__Output | null);
  /**
   * How to measure.
   */
  'settings': (_athanor_v1_EvaluateSettings__Output | null);
}
