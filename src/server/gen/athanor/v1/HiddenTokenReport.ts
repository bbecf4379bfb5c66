// Original file: proto/athanor/v1/evaluation_report.proto

import type { Long } from '@grpc/proto-loader';

/**
 * What was hidden from a model. Equal seeds hide the same tokens of the same lines.
 */
export interface HiddenTokenReport {
  /**
   * Lines with a token that could be hidden.
   */
  'lines'?: (number | string | Long);
  /**
   * Hidden tokens that were guessed.
   */
  'hiddenTokens'?: (number | string | Long);
  /**
   * Share of a line's tokens that were hidden at a time; 0 where every token was hidden by itself.
   */
  'share'?: (number | string);
  /**
   * Seed of the choice.
   */
  'seed'?: (number);
  /**
   * exp(loss).
   */
  'pseudoPerplexity'?: (number | string);
}

/**
 * What was hidden from a model. Equal seeds hide the same tokens of the same lines.
 */
export interface HiddenTokenReport__Output {
  /**
   * Lines with a token that could be hidden.
   */
  'lines': (number);
  /**
   * Hidden tokens that were guessed.
   */
  'hiddenTokens': (number);
  /**
   * Share of a line's tokens that were hidden at a time; 0 where every token was hidden by itself.
   */
  'share': (number);
  /**
   * Seed of the choice.
   */
  'seed': (number);
  /**
   * exp(loss).
   */
  'pseudoPerplexity': (number);
}
