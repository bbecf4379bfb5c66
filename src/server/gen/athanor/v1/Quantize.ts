// Original file: proto/athanor/v1/recipe.proto


/**
 * Weights in fewer bits, in whatever form they are stored (dense matrices, low-rank factors). The last step that touches a matrix.
 */
export interface Quantize {
  /**
   * Of one weight: 16 (half-precision floats), 8, 4, 3 or 2. Left out where `method` or `scheme` says it.
   */
  'bits'?: (number);
  /**
   * Weights only: "rtn" (nearest; default), "gptq" (errors made good by later weights) or "awq" (scales by input size, shorter ranges). Weights and
   * activations in 8-bit integers: "dynamic" (activations rounded to the range of each batch), "static" (to a fixed range) or "smoothquant" (large
   * channels of activations scaled down first). All but "rtn" and "dynamic" need calibration text.
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
  /**
   * With rounded activations: a scale for each output (default), or one for the whole matrix.
   */
  'perChannel'?: (boolean);
  /**
   * The fixed range of activations: "minmax" (all that was seen; default), "percentile" or "entropy" (least divergence of the distribution).
   */
  'calibration'?: (string);
  /**
   * Share of the numbers that "percentile" keeps, in percent: above 50, at most 100. Default 99.99.
   */
  'percentile'?: (number | string);
  /**
   * How much of the activations' size "smoothquant" moves into weights: 0 to 1. Default 0.5.
   */
  'alpha'?: (number | string);
  /**
   * What "smoothquant" does with activations afterwards: "dynamic" (default) or "static".
   */
  'activations'?: (string);
  /**
   * "integer" (default), "ternary" (weights -a, 0, a in 2 bits) or "binary" (-a, a in 1 bit).
   */
  'scheme'?: (string);
  /**
   * What becomes zero in ternary codes: "twn" (below 0.7 of the mean magnitude; default) or "absmean" (below half of it).
   */
  'threshold'?: (string);
  '_bits'?: "bits";
  '_method'?: "method";
  '_groupSize'?: "groupSize";
  '_symmetric'?: "symmetric";
  '_seed'?: "seed";
  '_perChannel'?: "perChannel";
  '_calibration'?: "calibration";
  '_percentile'?: "percentile";
  '_alpha'?: "alpha";
  '_activations'?: "activations";
  '_scheme'?: "scheme";
  '_threshold'?: "threshold";
}

/**
 * Weights in fewer bits, in whatever form they are stored (dense matrices, low-rank factors). The last step that touches a matrix.
 */
export interface Quantize__Output {
  /**
   * Of one weight: 16 (half-precision floats), 8, 4, 3 or 2. Left out where `method` or `scheme` says it.
   */
  'bits'?: (number);
  /**
   * Weights only: "rtn" (nearest; default), "gptq" (errors made good by later weights) or "awq" (scales by input size, shorter ranges). Weights and
   * activations in 8-bit integers: "dynamic" (activations rounded to the range of each batch), "static" (to a fixed range) or "smoothquant" (large
   * channels of activations scaled down first). All but "rtn" and "dynamic" need calibration text.
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
  /**
   * With rounded activations: a scale for each output (default), or one for the whole matrix.
   */
  'perChannel'?: (boolean);
  /**
   * The fixed range of activations: "minmax" (all that was seen; default), "percentile" or "entropy" (least divergence of the distribution).
   */
  'calibration'?: (string);
  /**
   * Share of the numbers that "percentile" keeps, in percent: above 50, at most 100. Default 99.99.
   */
  'percentile'?: (number);
  /**
   * How much of the activations' size "smoothquant" moves into weights: 0 to 1. Default 0.5.
   */
  'alpha'?: (number);
  /**
   * What "smoothquant" does with activations afterwards: "dynamic" (default) or "static".
   */
  'activations'?: (string);
  /**
   * "integer" (default), "ternary" (weights -a, 0, a in 2 bits) or "binary" (-a, a in 1 bit).
   */
  'scheme'?: (string);
  /**
   * What becomes zero in ternary codes: "twn" (below 0.7 of the mean magnitude; default) or "absmean" (below half of it).
   */
  'threshold'?: (string);
  '_bits'?: "bits";
  '_method'?: "method";
  '_groupSize'?: "groupSize";
  '_symmetric'?: "symmetric";
  '_seed'?: "seed";
  '_perChannel'?: "perChannel";
  '_calibration'?: "calibration";
  '_percentile'?: "percentile";
  '_alpha'?: "alpha";
  '_activations'?: "activations";
  '_scheme'?: "scheme";
  '_threshold'?: "threshold";
}
