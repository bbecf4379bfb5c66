// Original file: proto/athanor/v1/evaluation_report.proto

import type { Long } from '@grpc/proto-loader';

/**
 * How close generated targets are to the right ones.
 */
export interface SequenceReport {
  /**
   * Sources.
   */
  'sources'?: (number | string | Long);
  /**
   * Sources that were cut to the model's positions.
   */
  'sourcesCut'?: (number | string | Long);
  /**
   * BLEU of the whole, 0..100, as sacrebleu computes it.
   */
  'bleu'?: (number | string);
  /**
   * F-measures, 0..1.
   */
  'rouge1'?: (number | string);
  'rouge2'?: (number | string);
  'rougeL'?: (number | string);
  /**
   * Share of targets that equal a right one.
   */
  'exactMatch'?: (number | string);
  /**
   * Of all targets.
   */
  'generatedTokens'?: (number | string | Long);
  /**
   * Spent generating.
   */
  'seconds'?: (number | string);
}

/**
 * How close generated targets are to the right ones.
 */
export interface SequenceReport__Output {
  /**
   * Sources.
   */
  'sources': (number);
  /**
   * Sources that were cut to the model's positions.
   */
  'sourcesCut': (number);
  /**
   * BLEU of the whole, 0..100, as sacrebleu computes it.
   */
  'bleu': (number);
  /**
   * F-measures, 0..1.
   */
  'rouge1': (number);
  'rouge2': (number);
  'rougeL': (number);
  /**
   * Share of targets that equal a right one.
   */
  'exactMatch': (number);
  /**
   * Of all targets.
   */
  'generatedTokens': (number);
  /**
   * Spent generating.
   */
  'seconds': (number);
}
