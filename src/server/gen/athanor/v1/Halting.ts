// Original file: proto/athanor/v1/recipe.proto


/**
 * Adaptive computation time over the layers of scheme "all".
 */
export interface Halting {
  /**
   * Most steps a position takes; the same as `layers` of the step.
   */
  'maxSteps'?: (number);
  /**
   * A position halts when its probabilities sum to 1 - epsilon. Default 0.01.
   */
  'epsilon'?: (number | string);
  /**
   * Weight of the mean number of steps in the training loss. Default 0.01.
   */
  'ponderCost'?: (number | string);
  /**
   * Adds sinusoids of position and step before each step. Default: not.
   */
  'signals'?: (boolean);
  '_maxSteps'?: "maxSteps";
  '_epsilon'?: "epsilon";
  '_ponderCost'?: "ponderCost";
  '_signals'?: "signals";
}

/**
 * Adaptive computation time over the layers of scheme "all".
 */
export interface Halting__Output {
  /**
   * Most steps a position takes; the same as `layers` of the step.
   */
  'maxSteps'?: (number);
  /**
   * A position halts when its probabilities sum to 1 - epsilon. Default 0.01.
   */
  'epsilon'?: (number);
  /**
   * Weight of the mean number of steps in the training loss. Default 0.01.
   */
  'ponderCost'?: (number);
  /**
   * Adds sinusoids of position and step before each step. Default: not.
   */
  'signals'?: (boolean);
  '_maxSteps'?: "maxSteps";
  '_epsilon'?: "epsilon";
  '_ponderCost'?: "ponderCost";
  '_signals'?: "signals";
}
