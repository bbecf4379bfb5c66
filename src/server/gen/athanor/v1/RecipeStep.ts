// Original file: proto/athanor/v1/recipe.proto

import type { LowRank as _athanor_v1_LowRank, LowRank__Output as _athanor_v1_LowRank__Output } from '../../athanor/v1/LowRank.ts';
import type { Kronecker as _athanor_v1_Kronecker, Kronecker__Output as _athanor_v1_Kronecker__Output } from '../../athanor/v1/Kronecker.ts';
import type { FactorizeEmbedding as _athanor_v1_FactorizeEmbedding, FactorizeEmbedding__Output as _athanor_v1_FactorizeEmbedding__Output } from '../../athanor/v1/FactorizeEmbedding.ts';
import type { Share as _athanor_v1_Share, Share__Output as _athanor_v1_Share__Output } from '../../athanor/v1/Share.ts';
import type { Prune as _athanor_v1_Prune, Prune__Output as _athanor_v1_Prune__Output } from '../../athanor/v1/Prune.ts';
import type { Quantize as _athanor_v1_Quantize, Quantize__Output as _athanor_v1_Quantize__Output } from '../../athanor/v1/Quantize.ts';
import type { Distill as _athanor_v1_Distill, Distill__Output as _athanor_v1_Distill__Output } from '../../athanor/v1/Distill.ts';
import type { Flop as _athanor_v1_Flop, Flop__Output as _athanor_v1_Flop__Output } from '../../athanor/v1/Flop.ts';
import type { Theseus as _athanor_v1_Theseus, Theseus__Output as _athanor_v1_Theseus__Output } from '../../athanor/v1/Theseus.ts';
import type { Ladder as _athanor_v1_Ladder, Ladder__Output as _athanor_v1_Ladder__Output } from '../../athanor/v1/Ladder.ts';
import type { Lora as _athanor_v1_Lora, Lora__Output as _athanor_v1_Lora__Output } from '../../athanor/v1/Lora.ts';
import type { Qat as _athanor_v1_Qat, Qat__Output as _athanor_v1_Qat__Output } from '../../athanor/v1/Qat.ts';
import type { Train as _athanor_v1_Train, Train__Output as _athanor_v1_Train__Output } from '../../athanor/v1/Train.ts';
import type { Finetune as _athanor_v1_Finetune, Finetune__Output as _athanor_v1_Finetune__Output } from '../../athanor/v1/Finetune.ts';
import type { Search as _athanor_v1_Search, Search__Output as _athanor_v1_Search__Output } from '../../athanor/v1/Search.ts';
import type { Gate as _athanor_v1_Gate, Gate__Output as _athanor_v1_Gate__Output } from '../../athanor/v1/Gate.ts';
import type { WarmStart as _athanor_v1_WarmStart, WarmStart__Output as _athanor_v1_WarmStart__Output } from '../../athanor/v1/WarmStart.ts';

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
   * Gated factors in place of matrices: training finds out how many terms each needs.
   */
  'flop'?: (_athanor_v1_Flop | null);
  /**
   * Layers that are replaced, module by module and at random, by fewer ones that learn to work among them.
   */
  'theseus'?: (_athanor_v1_Theseus | null);
  /**
   * A small network beside the frozen model, which learns from the job's data.
   */
  'ladder'?: (_athanor_v1_Ladder | null);
  /**
   * Low-rank updates, adapters, a prompt or biases, which learn from the job's data while the matrices stay as they are.
   */
  'lora'?: (_athanor_v1_Lora | null);
  /**
   * Training with weights in few bits.
   */
  'qat'?: (_athanor_v1_Qat | null);
  /**
   * Training on the job's data alone.
   */
  'train'?: (_athanor_v1_Train | null);
  /**
   * The head of a task, and training on its data.
   */
  'finetune'?: (_athanor_v1_Finetune | null);
  /**
   * Many recipes tried on held-out data, and the best of them.
   */
  'search'?: (_athanor_v1_Search | null);
  /**
   * Held-out data decides whether the recipe goes on.
   */
  'gate'?: (_athanor_v1_Gate | null);
  /**
   * An encoder-decoder made of one or two encoders.
   */
  'warmStart'?: (_athanor_v1_WarmStart | null);
  /**
   * Exactly one.
   */
  'method'?: "lowRank"|"kronecker"|"factorizeEmbedding"|"share"|"prune"|"quantize"|"distill"|"warmStart"|"ladder"|"lora"|"flop"|"theseus"|"train"|"finetune"|"search"|"gate"|"qat";
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
   * Gated factors in place of matrices: training finds out how many terms each needs.
   */
  'flop'?: (_athanor_v1_Flop__Output | null);
  /**
   * Layers that are replaced, module by module and at random, by fewer ones that learn to work among them.
   */
  'theseus'?: (_athanor_v1_Theseus__Output | null);
  /**
   * A small network beside the frozen model, which learns from the job's data.
   */
  'ladder'?: (_athanor_v1_Ladder__Output | null);
  /**
   * Low-rank updates, adapters, a prompt or biases, which learn from the job's data while the matrices stay as they are.
   */
  'lora'?: (_athanor_v1_Lora__Output | null);
  /**
   * Training with weights in few bits.
   */
  'qat'?: (_athanor_v1_Qat__Output | null);
  /**
   * Training on the job's data alone.
   */
  'train'?: (_athanor_v1_Train__Output | null);
  /**
   * The head of a task, and training on its data.
   */
  'finetune'?: (_athanor_v1_Finetune__Output | null);
  /**
   * Many recipes tried on held-out data, and the best of them.
   */
  'search'?: (_athanor_v1_Search__Output | null);
  /**
   * Held-out data decides whether the recipe goes on.
   */
  'gate'?: (_athanor_v1_Gate__Output | null);
  /**
   * An encoder-decoder made of one or two encoders.
   */
  'warmStart'?: (_athanor_v1_WarmStart__Output | null);
  /**
   * Exactly one.
   */
  'method'?: "lowRank"|"kronecker"|"factorizeEmbedding"|"share"|"prune"|"quantize"|"distill"|"warmStart"|"ladder"|"lora"|"flop"|"theseus"|"train"|"finetune"|"search"|"gate"|"qat";
}
