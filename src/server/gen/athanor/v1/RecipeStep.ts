// Original file: proto/athanor/v1/recipe.proto

import type { LowRank as _athanor_v1_LowRank, LowRank__Output as _athanor_v1_LowRank__Output } from '../../athanor/v1/LowRank.ts';
import type { Kronecker as _athanor_v1_Kronecker, Kronecker__Output as _athanor_v1_Kronecker__Output } from '../../athanor/v1/Kronecker.ts';
import type { FactorizeEmbedding as _athanor_v1_FactorizeEmbedding, FactorizeEmbedding__Output as _athanor_v1_FactorizeEmbedding__Output } from '../../athanor/v1/FactorizeEmbedding.ts';
import type { Share as _athanor_v1_Share, Share__Output as _athanor_v1_Share__Output } from '../../athanor/v1/Share.ts';
import type { Prune as _athanor_v1_Prune, Prune__Output as _athanor_v1_Prune__Output } from '../../athanor/v1/Prune.ts';
import type { Quantize as _athanor_v1_Quantize, Quantize__Output as _athanor_v1_Quantize__Output } from '../../athanor/v1/Quantize.ts';
import type { Distill as _athanor_v1_Distill, Distill__Output as _athanor_v1_Distill__Output } from '../../athanor/v1/Distill.ts';
import type { Qat as _athanor_v1_Qat, Qat__Output as _athanor_v1_Qat__Output } from '../../athanor/v1/Qat.ts';

/**
 * One step. Methods that come later are further members.
 */
export interface RecipeStep {
  /**
   * Two thin matrices in place of one.
   */
  'lowRank'?: (_athanor_v1_LowRank | null);
  /**
   * Sums of Kronecker products in place of matrices.
   */
  'kronecker'?: (_athanor_v1_Kronecker | null);
  /**
   * A narrow embedding table and a projection in place of a wide one.
   */
  'factorizeEmbedding'?: (_athanor_v1_FactorizeEmbedding | null);
  /**
   * Layers that are stored once and applied at several places.
   */
  'share'?: (_athanor_v1_Share | null);
  /**
   * Fewer weights, or fewer heads, neurons, channels or layers.
   */
  'prune'?: (_athanor_v1_Prune | null);
  /**
   * Fewer bits a number.
   */
  'quantize'?: (_athanor_v1_Quantize | null);
  /**
   * Training against a teacher, on the job's text.
   */
  'distill'?: (_athanor_v1_Distill | null);
  /**
   * Training with weights in few bits.
   */
  'qat'?: (_athanor_v1_Qat | null);
  /**
   * Exactly one.
   */
  'method'?: "lowRank"|"kronecker"|"factorizeEmbedding"|"share"|"prune"|"quantize"|"distill"|"qat";
}

/**
 * One step. Methods that come later are further members.
 */
export interface RecipeStep__Output {
  /**
   * Two thin matrices in place of one.
   */
  'lowRank'?: (_athanor_v1_LowRank__Output | null);
  /**
   * Sums of Kronecker products in place of matrices.
   */
  'kronecker'?: (_athanor_v1_Kronecker__Output | null);
  /**
   * A narrow embedding table and a projection in place of a wide one.
   */
  'factorizeEmbedding'?: (_athanor_v1_FactorizeEmbedding__Output | null);
  /**
   * Layers that are stored once and applied at several places.
   */
  'share'?: (_athanor_v1_Share__Output | null);
  /**
   * Fewer weights, or fewer heads, neurons, channels or layers.
   */
  'prune'?: (_athanor_v1_Prune__Output | null);
  /**
   * Fewer bits a number.
   */
  'quantize'?: (_athanor_v1_Quantize__Output | null);
  /**
   * Training against a teacher, on the job's text.
   */
  'distill'?: (_athanor_v1_Distill__Output | null);
  /**
   * Training with weights in few bits.
   */
  'qat'?: (_athanor_v1_Qat__Output | null);
  /**
   * Exactly one.
   */
  'method'?: "lowRank"|"kronecker"|"factorizeEmbedding"|"share"|"prune"|"quantize"|"distill"|"qat";
}
