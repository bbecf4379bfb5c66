// Original file: proto/athanor/v1/recipe.proto

import type { LowRank as _athanor_v1_LowRank, LowRank__Output as _athanor_v1_LowRank__Output } from '../../athanor/v1/LowRank.ts';

/**
 * One step. Methods that come later are further members.
 */
export interface RecipeStep {
  /**
   * Two thin matrices in place of one.
   */
  'lowRank'?: (_athanor_v1_LowRank | null);
  /**
   * Exactly one.
   */
  'method'?: "lowRank";
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
   * Exactly one.
   */
  'method'?: "lowRank";
}
