// Original file: proto/athanor/v1/recipe.proto

import type { SearchTarget as _athanor_v1_SearchTarget, SearchTarget__Output as _athanor_v1_SearchTarget__Output } from '../../athanor/v1/SearchTarget.ts';
import type { SearchBudget as _athanor_v1_SearchBudget, SearchBudget__Output as _athanor_v1_SearchBudget__Output } from '../../athanor/v1/SearchBudget.ts';
import type { SearchCandidate as _athanor_v1_SearchCandidate, SearchCandidate__Output as _athanor_v1_SearchCandidate__Output } from '../../athanor/v1/SearchCandidate.ts';
import type { Distill as _athanor_v1_Distill, Distill__Output as _athanor_v1_Distill__Output } from '../../athanor/v1/Distill.ts';

/**
 * Tries recipes on the model that the step is given, measures each on held-out data, and goes on with the best that is within the target. Every trial
 * is a progress event. Fails with target_not_reached where none is, saying what was reached.
 */
export interface Search {
  /**
   * What is wanted.
   */
  'target'?: (_athanor_v1_SearchTarget | null);
  /**
   * How much may be tried.
   */
  'budget'?: (_athanor_v1_SearchBudget | null);
  /**
   * What quality is: "loss" (default), "bitsPerByte", "perplexity" or "accuracy".
   */
  'metric'?: (string);
  /**
   * Recipes to try. Empty: a space of our own, of the methods that need no training, alone and composed.
   */
  'candidates'?: (_athanor_v1_SearchCandidate)[];
  /**
   * Trains the best trials like this before their numbers become codes; a quarter of the budget is kept for it. Absent: nothing is trained.
   */
  'distill'?: (_athanor_v1_Distill | null);
  /**
   * Seed of the trials. Default: the recipe's.
   */
  'seed'?: (number);
  '_metric'?: "metric";
  '_seed'?: "seed";
}

/**
 * Tries recipes on the model that the step is given, measures each on held-out data, and goes on with the best that is within the target. Every trial
 * is a progress event. Fails with target_not_reached where none is, saying what was reached.
 */
export interface Search__Output {
  /**
   * What is wanted.
   */
  'target': (_athanor_v1_SearchTarget__Output | null);
  /**
   * How much may be tried.
   */
  'budget': (_athanor_v1_SearchBudget__Output | null);
  /**
   * What quality is: "loss" (default), "bitsPerByte", "perplexity" or "accuracy".
   */
  'metric'?: (string);
  /**
   * Recipes to try. Empty: a space of our own, of the methods that need no training, alone and composed.
   */
  'candidates': (_athanor_v1_SearchCandidate__Output)[];
  /**
   * Trains the best trials like this before their numbers become codes; a quarter of the budget is kept for it. Absent: nothing is trained.
   */
  'distill': (_athanor_v1_Distill__Output | null);
  /**
   * Seed of the trials. Default: the recipe's.
   */
  'seed'?: (number);
  '_metric'?: "metric";
  '_seed'?: "seed";
}
