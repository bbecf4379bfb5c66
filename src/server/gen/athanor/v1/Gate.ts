// Original file: proto/athanor/v1/recipe.proto


/**
 * Measures the model at this place of the recipe on held-out data. Where it lost too much, the job ends with the model of the last gate that held;
 * where none held before, it fails with gate_not_met and stores nothing. At least one of `max_loss`, `at_most` and `at_least`.
 */
export interface Gate {
  /**
   * What is measured: "loss" (nats; default), "bitsPerByte", "perplexity" or "accuracy", as far as the data gives it.
   */
  'metric'?: (string);
  /**
   * Largest worsening that passes: a share of the value that is compared with, of accuracy in points of 1.
   */
  'maxLoss'?: (number | string);
  /**
   * Whether `max_loss` is a share. Default: of all metrics but accuracy.
   */
  'relative'?: (boolean);
  /**
   * What is compared with: the model that the recipe started from ("start"; default), or the one that passed the gate before ("previous").
   */
  'against'?: (string);
  /**
   * Largest value that passes, of metrics of which less is better.
   */
  'atMost'?: (number | string);
  /**
   * Smallest value that passes, of accuracy.
   */
  'atLeast'?: (number | string);
  /**
   * Where it does not hold: "keep" the last good stage (default), or "fail" in any case.
   */
  'otherwise'?: (string);
  /**
   * Taken as by every step; nothing is random here.
   */
  'seed'?: (number);
  '_metric'?: "metric";
  '_maxLoss'?: "maxLoss";
  '_relative'?: "relative";
  '_against'?: "against";
  '_atMost'?: "atMost";
  '_atLeast'?: "atLeast";
  '_otherwise'?: "otherwise";
  '_seed'?: "seed";
}

/**
 * Measures the model at this place of the recipe on held-out data. Where it lost too much, the job ends with the model of the last gate that held;
 * where none held before, it fails with gate_not_met and stores nothing. At least one of `max_loss`, `at_most` and `at_least`.
 */
export interface Gate__Output {
  /**
   * What is measured: "loss" (nats; default), "bitsPerByte", "perplexity" or "accuracy", as far as the data gives it.
   */
  'metric'?: (string);
  /**
   * Largest worsening that passes: a share of the value that is compared with, of accuracy in points of 1.
   */
  'maxLoss'?: (number);
  /**
   * Whether `max_loss` is a share. Default: of all metrics but accuracy.
   */
  'relative'?: (boolean);
  /**
   * What is compared with: the model that the recipe started from ("start"; default), or the one that passed the gate before ("previous").
   */
  'against'?: (string);
  /**
   * Largest value that passes, of metrics of which less is better.
   */
  'atMost'?: (number);
  /**
   * Smallest value that passes, of accuracy.
   */
  'atLeast'?: (number);
  /**
   * Where it does not hold: "keep" the last good stage (default), or "fail" in any case.
   */
  'otherwise'?: (string);
  /**
   * Taken as by every step; nothing is random here.
   */
  'seed'?: (number);
  '_metric'?: "metric";
  '_maxLoss'?: "maxLoss";
  '_relative'?: "relative";
  '_against'?: "against";
  '_atMost'?: "atMost";
  '_atLeast'?: "atLeast";
  '_otherwise'?: "otherwise";
  '_seed'?: "seed";
}
