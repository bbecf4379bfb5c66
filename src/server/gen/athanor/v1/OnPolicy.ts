// Original file: proto/athanor/v1/teacher.proto

import type { PolicyGradient as _athanor_v1_PolicyGradient, PolicyGradient__Output as _athanor_v1_PolicyGradient__Output } from '../../athanor/v1/PolicyGradient.ts';

/**
 * On-policy distillation (GKD). Fields that are absent take the default in the comment.
 */
export interface OnPolicy {
  /**
   * Share of the steps that learn on the student's own samples, 0..1. Default 0.5.
   */
  'share'?: (number | string);
  /**
   * Tokens that are drawn behind each prompt. Default 64.
   */
  'maxNewTokens'?: (number);
  /**
   * Temperature of the draws; 0 takes the likeliest token. Default 0.9.
   */
  'temperature'?: (number | string);
  /**
   * Tokens of the data that a sample begins with. Default 32.
   */
  'promptTokens'?: (number);
  /**
   * On samples: 0 compares by KL(teacher || student), 1 by KL(student || teacher), between them by the generalized Jensen-Shannon divergence.
   * Default 0.5; beside `losses` the divergence of each loss "logits".
   */
  'beta'?: (number | string);
  /**
   * Learn the reverse KL of whole samples by policy gradient (MiniLLM), in place of a divergence token by token. Needs one teacher, temperature 1 of the
   * settings and draws, and no `beta`.
   */
  'policyGradient'?: (_athanor_v1_PolicyGradient | null);
  '_share'?: "share";
  '_maxNewTokens'?: "maxNewTokens";
  '_temperature'?: "temperature";
  '_promptTokens'?: "promptTokens";
  '_beta'?: "beta";
}

/**
 * On-policy distillation (GKD). Fields that are absent take the default in the comment.
 */
export interface OnPolicy__Output {
  /**
   * Share of the steps that learn on the student's own samples, 0..1. Default 0.5.
   */
  'share'?: (number);
  /**
   * Tokens that are drawn behind each prompt. Default 64.
   */
  'maxNewTokens'?: (number);
  /**
   * Temperature of the draws; 0 takes the likeliest token. Default 0.9.
   */
  'temperature'?: (number);
  /**
   * Tokens of the data that a sample begins with. Default 32.
   */
  'promptTokens'?: (number);
  /**
   * On samples: 0 compares by KL(teacher || student), 1 by KL(student || teacher), between them by the generalized Jensen-Shannon divergence.
   * Default 0.5; beside `losses` the divergence of each loss "logits".
   */
  'beta'?: (number);
  /**
   * Learn the reverse KL of whole samples by policy gradient (MiniLLM), in place of a divergence token by token. Needs one teacher, temperature 1 of the
   * settings and draws, and no `beta`.
   */
  'policyGradient': (_athanor_v1_PolicyGradient__Output | null);
  '_share'?: "share";
  '_maxNewTokens'?: "maxNewTokens";
  '_temperature'?: "temperature";
  '_promptTokens'?: "promptTokens";
  '_beta'?: "beta";
}
