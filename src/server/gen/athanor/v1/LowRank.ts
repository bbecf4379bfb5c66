// Original file: proto/athanor/v1/recipe.proto


/**
 * Low-rank factors W ≈ P·Q. Exactly one of `ratio`, `rank` and `energy` says how much is kept.
 */
export interface LowRank {
  /**
   * What the error is measured in: "plain" (weights; default), "fwsvd" (weights by how much the loss minds them), "asvd" (weights by the size of
   * their inputs) or "whitened" (layer outputs). All but "plain" need calibration text.
   */
  'method'?: (string);
  /**
   * Stored elements of the chosen matrices afterwards, relative to dense ones: 0 < ratio <= 1.
   */
  'ratio'?: (number | string);
  /**
   * The same rank everywhere: 1 <= rank <= smaller side.
   */
  'rank'?: (number);
  /**
   * Share of the squared singular values to keep: 0 < energy <= 1.
   */
  'energy'?: (number | string);
  /**
   * How `ratio` is spread over the matrices: "uniform" (default), "loss" (where it saves most of the model's loss, by its gradients) or
   * "sensitivity" (the same, measured by cutting one matrix at a time). The last two need calibration text.
   */
  'allocate'?: (string);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks.
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
  /**
   * Power of the mean input magnitude in method "asvd": 0 to 2. Default 0.5.
   */
  'alpha'?: (number | string);
  '_method'?: "method";
  '_ratio'?: "ratio";
  '_rank'?: "rank";
  '_energy'?: "energy";
  '_allocate'?: "allocate";
  '_seed'?: "seed";
  '_alpha'?: "alpha";
}

/**
 * Low-rank factors W ≈ P·Q. Exactly one of `ratio`, `rank` and `energy` says how much is kept.
 */
export interface LowRank__Output {
  /**
   * What the error is measured in: "plain" (weights; default), "fwsvd" (weights by how much the loss minds them), "asvd" (weights by the size of
   * their inputs) or "whitened" (layer outputs). All but "plain" need calibration text.
   */
  'method'?: (string);
  /**
   * Stored elements of the chosen matrices afterwards, relative to dense ones: 0 < ratio <= 1.
   */
  'ratio'?: (number);
  /**
   * The same rank everywhere: 1 <= rank <= smaller side.
   */
  'rank'?: (number);
  /**
   * Share of the squared singular values to keep: 0 < energy <= 1.
   */
  'energy'?: (number);
  /**
   * How `ratio` is spread over the matrices: "uniform" (default), "loss" (where it saves most of the model's loss, by its gradients) or
   * "sensitivity" (the same, measured by cutting one matrix at a time). The last two need calibration text.
   */
  'allocate'?: (string);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks.
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
  /**
   * Power of the mean input magnitude in method "asvd": 0 to 2. Default 0.5.
   */
  'alpha'?: (number);
  '_method'?: "method";
  '_ratio'?: "ratio";
  '_rank'?: "rank";
  '_energy'?: "energy";
  '_allocate'?: "allocate";
  '_seed'?: "seed";
  '_alpha'?: "alpha";
}
