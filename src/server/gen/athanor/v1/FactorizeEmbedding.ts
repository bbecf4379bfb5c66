// Original file: proto/athanor/v1/recipe.proto


/**
 * An embedding table [V, D] as [V, E] x [E, D]. Either `width` or `ratio`. A tied head stays tied.
 */
export interface FactorizeEmbedding {
  /**
   * E: 1 <= width <= smaller side.
   */
  'width'?: (number);
  /**
   * Stored bytes of the tables afterwards, relative to before: 0 < ratio <= 1.
   */
  'ratio'?: (number | string);
  /**
   * What a row counts: "plain" (all the same; default) or "frequency" (as often as its token comes in calibration text).
   */
  'method'?: (string);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: the tables over the vocabulary.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Seed of everything random in the step. Default: the recipe's.
   */
  'seed'?: (number);
  '_width'?: "width";
  '_ratio'?: "ratio";
  '_method'?: "method";
  '_seed'?: "seed";
}

/**
 * An embedding table [V, D] as [V, E] x [E, D]. Either `width` or `ratio`. A tied head stays tied.
 */
export interface FactorizeEmbedding__Output {
  /**
   * E: 1 <= width <= smaller side.
   */
  'width'?: (number);
  /**
   * Stored bytes of the tables afterwards, relative to before: 0 < ratio <= 1.
   */
  'ratio'?: (number);
  /**
   * What a row counts: "plain" (all the same; default) or "frequency" (as often as its token comes in calibration text).
   */
  'method'?: (string);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: the tables over the vocabulary.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Seed of everything random in the step. Default: the recipe's.
   */
  'seed'?: (number);
  '_width'?: "width";
  '_ratio'?: "ratio";
  '_method'?: "method";
  '_seed'?: "seed";
}
