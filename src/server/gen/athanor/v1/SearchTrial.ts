// Original file: proto/athanor/v1/compression_report.proto


/**
 * One recipe that was tried.
 */
export interface SearchTrial {
  /**
   * For people; unique in the search.
   */
  'name'?: (string);
  /**
   * Trials that differ in their size alone have the same.
   */
  'family'?: (string);
  /**
   * The recipe, as JSON.
   */
  'recipeJson'?: (string);
  /**
   * storedBytes, the figures of the held-out data, and latencyMs where the target has it.
   */
  'metrics'?: ({[key: string]: number | string});
  /**
   * Whether it is within the target.
   */
  'meetsTarget'?: (boolean);
  /**
   * Whether no other trial is as good at fewer bytes (in less time, where that is the target), or better at as many.
   */
  'onFront'?: (boolean);
  /**
   * Time that it took, milliseconds.
   */
  'elapsedMs'?: (number | string);
  /**
   * Why it could not be made; empty where it was.
   */
  'failure'?: (string);
}

/**
 * One recipe that was tried.
 */
export interface SearchTrial__Output {
  /**
   * For people; unique in the search.
   */
  'name': (string);
  /**
   * Trials that differ in their size alone have the same.
   */
  'family': (string);
  /**
   * The recipe, as JSON.
   */
  'recipeJson': (string);
  /**
   * storedBytes, the figures of the held-out data, and latencyMs where the target has it.
   */
  'metrics': ({[key: string]: number});
  /**
   * Whether it is within the target.
   */
  'meetsTarget': (boolean);
  /**
   * Whether no other trial is as good at fewer bytes (in less time, where that is the target), or better at as many.
   */
  'onFront': (boolean);
  /**
   * Time that it took, milliseconds.
   */
  'elapsedMs': (number);
  /**
   * Why it could not be made; empty where it was.
   */
  'failure': (string);
}
