// Original file: proto/athanor/v1/recipe.proto

import type { RecipeStep as _athanor_v1_RecipeStep, RecipeStep__Output as _athanor_v1_RecipeStep__Output } from '../../athanor/v1/RecipeStep.ts';

/**
 * One recipe to try.
 */
export interface SearchCandidate {
  /**
   * For people. Default: the names of its steps.
   */
  'name'?: (string);
  /**
   * At least one.
   */
  'steps'?: (_athanor_v1_RecipeStep)[];
  '_name'?: "name";
}

/**
 * One recipe to try.
 */
export interface SearchCandidate__Output {
  /**
   * For people. Default: the names of its steps.
   */
  'name'?: (string);
  /**
   * At least one.
   */
  'steps': (_athanor_v1_RecipeStep__Output)[];
  '_name'?: "name";
}
