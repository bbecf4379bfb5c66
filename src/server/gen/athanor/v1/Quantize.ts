// Original file: proto/athanor/v1/recipe.proto


/**
 * Weights in fewer bits, in whatever form they are stored (dense matrices, low-rank factors). The last step that touches a matrix.
 */
export interface Quantize {
  /**
   * Of one weight: 16 (half-precision floats), 8, 4, 3 or 2.
   */
  'bits'?: (number);
  /**
   * How codes are chosen: "rtn" (nearest; default), "gptq" (errors made good by later weights) or "awq" (scales by input size). The last two
   * need calibration text.
   */
  'method'?: (string);
  /**
   * Weights that share a scale: a power of two, 16 to 1024. Default 32.
   */
  'groupSize'?: (number);
  /**
   * Without zero points. Default: at 8 bits only.
   */
  'symmetric'?: (boolean);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks. Embeddings and the head need a pattern.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Taken as by every step; nothing is random here.
   */
  'seed'?: (number);
  '_bits'?: "bits";
  '_method'?: "method";
  '_groupSize'?: "groupSize";
  '_symmetric'?: "symmetric";
  '_seed'?: "seed";
}

/**
 * Weights in fewer bits, in whatever form they are stored (dense matrices, low-rank factors). The last step that touches a matrix.
 */
export interface Quantize__Output {
  /**
   * Of one weight: 16 (half-precision floats), 8, 4, 3 or 2.
   */
  'bits'?: (number);
  /**
   * How codes are chosen: "rtn" (nearest; default), "gptq" (errors made good by later weights) or "awq" (scales by input size). The last two
   * need calibration text.
   */
  'method'?: (string);
  /**
   * Weights that share a scale: a power of two, 16 to 1024. Default 32.
   */
  'groupSize'?: (number);
  /**
   * Without zero points. Default: at 8 bits only.
   */
  'symmetric'?: (boolean);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks. Embeddings and the head need a pattern.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Taken as by every step; nothing is random here.
   */
  'seed'?: (number);
  '_bits'?: "bits";
  '_method'?: "method";
  '_groupSize'?: "groupSize";
  '_symmetric'?: "symmetric";
  '_seed'?: "seed";
}
