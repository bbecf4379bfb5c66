// Original file: proto/athanor/v1/losses.proto


/**
 * A weight from step to step.
 */
export interface WeightSchedule {
  /**
   * In the first step.
   */
  'from'?: (number | string);
  /**
   * After `steps` steps and from then on.
   */
  'to'?: (number | string);
  /**
   * At least 1.
   */
  'steps'?: (number);
  /**
   * "linear" (default) or "cosine".
   */
  'shape'?: (string);
  '_from'?: "from";
  '_to'?: "to";
  '_steps'?: "steps";
  '_shape'?: "shape";
}

/**
 * A weight from step to step.
 */
export interface WeightSchedule__Output {
  /**
   * In the first step.
   */
  'from'?: (number);
  /**
   * After `steps` steps and from then on.
   */
  'to'?: (number);
  /**
   * At least 1.
   */
  'steps'?: (number);
  /**
   * "linear" (default) or "cosine".
   */
  'shape'?: (string);
  '_from'?: "from";
  '_to'?: "to";
  '_steps'?: "steps";
  '_shape'?: "shape";
}
