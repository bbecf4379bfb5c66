// Original file: proto/athanor/v1/recipe.proto


/**
 * What ends a search early.
 */
export interface SearchBudget {
  /**
   * Recipes that are tried, at most. Default 20.
   */
  'trials'?: (number);
  /**
   * Minutes of all trials together; the one at work is finished. Default: no limit. How many trials fit is not the same in every run.
   */
  'minutes'?: (number | string);
  '_trials'?: "trials";
  '_minutes'?: "minutes";
}

/**
 * What ends a search early.
 */
export interface SearchBudget__Output {
  /**
   * Recipes that are tried, at most. Default 20.
   */
  'trials'?: (number);
  /**
   * Minutes of all trials together; the one at work is finished. Default: no limit. How many trials fit is not the same in every run.
   */
  'minutes'?: (number);
  '_trials'?: "trials";
  '_minutes'?: "minutes";
}
