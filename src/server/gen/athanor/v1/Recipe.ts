// Original file: proto/athanor/v1/recipe.proto

import type { RecipeStep as _athanor_v1_RecipeStep, RecipeStep__Output as _athanor_v1_RecipeStep__Output } from '../../athanor/v1/RecipeStep.ts';

/**
 * An ordered list of compression steps. As YAML:
 * 
 * steps:
 * - lowRank: { ratio: 0.5, method: whitened, include: ["h.*.mlp.*"] }
 * seed: 1
 */
export interface Recipe {
  /**
   * At least one.
   */
  'steps'?: (_athanor_v1_RecipeStep)[];
  /**
   * Seed of the steps that set none. Default 0.
   */
  'seed'?: (number);
  '_seed'?: "seed";
}

/**
 * An ordered list of compression steps. As YAML:
 * 
 * steps:
 * - lowRank: { ratio: 0.5, method: whitened, include: ["h.*.mlp.*"] }
 * seed: 1
 */
export interface Recipe__Output {
  /**
   * At least one.
   */
  'steps': (_athanor_v1_RecipeStep__Output)[];
  /**
   * Seed of the steps that set none. Default 0.
   */
  'seed'?: (number);
  '_seed'?: "seed";
}
