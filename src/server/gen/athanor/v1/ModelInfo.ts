// Original file: proto/athanor/v1/model.proto

import type { Lineage as _athanor_v1_Lineage, Lineage__Output as _athanor_v1_Lineage__Output } from '../../athanor/v1/Lineage.ts';
import type { EvaluationReport as _athanor_v1_EvaluationReport, EvaluationReport__Output as _athanor_v1_EvaluationReport__Output } from '../../athanor/v1/EvaluationReport.ts';
import type { ParameterInfo as _athanor_v1_ParameterInfo, ParameterInfo__Output as _athanor_v1_ParameterInfo__Output } from '../../athanor/v1/ParameterInfo.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * What a model is, what it costs and where it comes from.
 */
export interface ModelInfo {
  /**
   * Name in the store: letters, digits, dot, dash and underscore, at most 128 characters.
   */
  'name'?: (string);
  /**
   * Number of this immutable version, counting from 1.
   */
  'version'?: (number);
  /**
   * "gpt2" or "llama".
   */
  'architecture'?: (string);
  /**
   * The configuration, as JSON in athanor's own names (width, layers, heads, ...).
   */
  'configJson'?: (string);
  /**
   * Parameters of the dense model it stands for; tied ones count once.
   */
  'logicalParameters'?: (number | string | Long);
  /**
   * Elements over distinct stored tensors.
   */
  'storedParameters'?: (number | string | Long);
  /**
   * Bytes over distinct stored tensors.
   */
  'storedBytes'?: (number | string | Long);
  /**
   * Bytes held in memory now; 0 when it is not loaded.
   */
  'residentBytes'?: (number | string | Long);
  /**
   * In memory now.
   */
  'loaded'?: (boolean);
  /**
   * Time it was stored, milliseconds since 1970.
   */
  'createdMs'?: (number | string | Long);
  /**
   * What it was made from.
   */
  'lineage'?: (_athanor_v1_Lineage | null);
  /**
   * The newest evaluation stored with it; absent when it was never evaluated.
   */
  'evaluation'?: (_athanor_v1_EvaluationReport | null);
  /**
   * Every parameter in the architecture's order. Filled by Get; empty in lists.
   */
  'parameters'?: (_athanor_v1_ParameterInfo)[];
  /**
   * Content hash of this version.
   */
  'hash'?: (string);
  /**
   * Hash of the tokenizer; models with equal ones read the same tokens. Empty in lists.
   */
  'tokenizerHash'?: (string);
}

/**
 * What a model is, what it costs and where it comes from.
 */
export interface ModelInfo__Output {
  /**
   * Name in the store: letters, digits, dot, dash and underscore, at most 128 characters.
   */
  'name': (string);
  /**
   * Number of this immutable version, counting from 1.
   */
  'version': (number);
  /**
   * "gpt2" or "llama".
   */
  'architecture': (string);
  /**
   * The configuration, as JSON in athanor's own names (width, layers, heads, ...).
   */
  'configJson': (string);
  /**
   * Parameters of the dense model it stands for; tied ones count once.
   */
  'logicalParameters': (number);
  /**
   * Elements over distinct stored tensors.
   */
  'storedParameters': (number);
  /**
   * Bytes over distinct stored tensors.
   */
  'storedBytes': (number);
  /**
   * Bytes held in memory now; 0 when it is not loaded.
   */
  'residentBytes': (number);
  /**
   * In memory now.
   */
  'loaded': (boolean);
  /**
   * Time it was stored, milliseconds since 1970.
   */
  'createdMs': (number);
  /**
   * What it was made from.
   */
  'lineage': (_athanor_v1_Lineage__Output | null);
  /**
   * The newest evaluation stored with it; absent when it was never evaluated.
   */
  'evaluation': (_athanor_v1_EvaluationReport__Output | null);
  /**
   * Every parameter in the architecture's order. Filled by Get; empty in lists.
   */
  'parameters': (_athanor_v1_ParameterInfo__Output)[];
  /**
   * Content hash of this version.
   */
  'hash': (string);
  /**
   * Hash of the tokenizer; models with equal ones read the same tokens. Empty in lists.
   */
  'tokenizerHash': (string);
}
