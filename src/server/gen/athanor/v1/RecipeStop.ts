// Original file: proto/athanor/v1/compression_report.proto


/**
 * A recipe ended before its last step: a gate did not hold, or a training diverged.
 */
export interface RecipeStop {
  /**
   * Place in the recipe of the step that stopped it, from 0.
   */
  'step'?: (number);
  /**
   * What that step found.
   */
  'reason'?: (string);
  /**
   * The result is the model after so many steps: those up to the last gate that held.
   */
  'keptSteps'?: (number);
}

/**
 * A recipe ended before its last step: a gate did not hold, or a training diverged.
 */
export interface RecipeStop__Output {
  /**
   * Place in the recipe of the step that stopped it, from 0.
   */
  'step': (number);
  /**
   * What that step found.
   */
  'reason': (string);
  /**
   * The result is the model after so many steps: those up to the last gate that held.
   */
  'keptSteps': (number);
}
