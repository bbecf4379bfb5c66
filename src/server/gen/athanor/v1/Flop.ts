// Original file: proto/athanor/v1/training_steps.proto

import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from '../../athanor/v1/Training.ts';

/**
 * Pruning while training: W = P·diag(z)·Q with a random gate for each term, and a Lagrangian that brings the stored size to its target. Afterwards
 * the terms that stay are an ordinary low-rank model.
 */
export interface Flop {
  /**
   * Stored bytes of the chosen matrices afterwards, relative to before: 0 < ratio <= 1.
   */
  'ratio'?: (number | string);
  /**
   * What training begins with: "svd" (the singular vectors of the trained matrices; default), "whitened" (those of what the matrices do to
   * calibration text, which it needs) or "random" (factors, and all other weights of the model).
   */
  'start'?: (string);
  /**
   * Stored elements of the factors at the start, relative to dense matrices; at least `ratio`. Default: full rank, with "random" 1.
   */
  'startRatio'?: (number | string);
  /**
   * How ready gates are to close at the start: 0 < c < 1, a gate begins as log((1-c)/c). Default 0.05.
   */
  'dropTendency'?: (number | string);
  /**
   * Temperature of the gates: above 0, at most 4. Default 1.
   */
  'beta'?: (number | string);
  /**
   * How the distance from the target counts: "signed" (default) or "absolute" (steadier on little data).
   */
  'lagrangian'?: (string);
  /**
   * Steps in which the target falls to `ratio`. Default: half of the steps with gates.
   */
  'targetWarmupSteps'?: (number);
  /**
   * Peak learning rate of the gates. Default: from the number of steps.
   */
  'gateLearningRate'?: (number | string);
  /**
   * Peak learning rate of the Lagrangian's multipliers. Default: from the number of steps.
   */
  'multiplierLearningRate'?: (number | string);
  /**
   * After so many steps terms whose gates have closed for good leave the graph, which gets faster; 0: never. Default: a tenth of the steps.
   */
  'recompileEvery'?: (number);
  /**
   * A gate has closed for good when it is open with less than this probability: 0 to 0.5. Default 0.02.
   */
  'closedBelow'?: (number | string);
  /**
   * Last steps, in which the terms that stay train without gates. Default: a third of the steps.
   */
  'settleSteps'?: (number);
  /**
   * Embeddings that the patterns match are stored in clusters of so many tokens, most frequent first, and a last one with the rest; each has a
   * width of its own. Empty: one cluster.
   */
  'clusters'?: (number)[];
  /**
   * How it trains.
   */
  'training'?: (_athanor_v1_Training | null);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks. Embeddings need a pattern.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Seed of the gates and of random starts. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How far the gate of a matrix's strongest term is ahead of that of its weakest at the start; published is 0. Default 4, with "random" 0.
   */
  'spread'?: (number | string);
  /**
   * In the last steps, without gates, ends the training after so many measurements in a row that were no better than the best, which is kept. Default 0:
   * it goes on to the end.
   */
  'patience'?: (number);
  /**
   * Steps between two measurements. Default 50.
   */
  'evaluateEvery'?: (number);
  /**
   * Share of the data that is held out to be measured on, where the job has no validation data: above 0, below 1. Default 0.1.
   */
  'heldOut'?: (number | string);
  '_ratio'?: "ratio";
  '_start'?: "start";
  '_startRatio'?: "startRatio";
  '_dropTendency'?: "dropTendency";
  '_beta'?: "beta";
  '_lagrangian'?: "lagrangian";
  '_targetWarmupSteps'?: "targetWarmupSteps";
  '_gateLearningRate'?: "gateLearningRate";
  '_multiplierLearningRate'?: "multiplierLearningRate";
  '_recompileEvery'?: "recompileEvery";
  '_closedBelow'?: "closedBelow";
  '_settleSteps'?: "settleSteps";
  '_seed'?: "seed";
  '_spread'?: "spread";
  '_patience'?: "patience";
  '_evaluateEvery'?: "evaluateEvery";
  '_heldOut'?: "heldOut";
}

/**
 * Pruning while training: W = P·diag(z)·Q with a random gate for each term, and a Lagrangian that brings the stored size to its target. Afterwards
 * the terms that stay are an ordinary low-rank model.
 */
export interface Flop__Output {
  /**
   * Stored bytes of the chosen matrices afterwards, relative to before: 0 < ratio <= 1.
   */
  'ratio'?: (number);
  /**
   * What training begins with: "svd" (the singular vectors of the trained matrices; default), "whitened" (those of what the matrices do to
   * calibration text, which it needs) or "random" (factors, and all other weights of the model).
   */
  'start'?: (string);
  /**
   * Stored elements of the factors at the start, relative to dense matrices; at least `ratio`. Default: full rank, with "random" 1.
   */
  'startRatio'?: (number);
  /**
   * How ready gates are to close at the start: 0 < c < 1, a gate begins as log((1-c)/c). Default 0.05.
   */
  'dropTendency'?: (number);
  /**
   * Temperature of the gates: above 0, at most 4. Default 1.
   */
  'beta'?: (number);
  /**
   * How the distance from the target counts: "signed" (default) or "absolute" (steadier on little data).
   */
  'lagrangian'?: (string);
  /**
   * Steps in which the target falls to `ratio`. Default: half of the steps with gates.
   */
  'targetWarmupSteps'?: (number);
  /**
   * Peak learning rate of the gates. Default: from the number of steps.
   */
  'gateLearningRate'?: (number);
  /**
   * Peak learning rate of the Lagrangian's multipliers. Default: from the number of steps.
   */
  'multiplierLearningRate'?: (number);
  /**
   * After so many steps terms whose gates have closed for good leave the graph, which gets faster; 0: never. Default: a tenth of the steps.
   */
  'recompileEvery'?: (number);
  /**
   * A gate has closed for good when it is open with less than this probability: 0 to 0.5. Default 0.02.
   */
  'closedBelow'?: (number);
  /**
   * Last steps, in which the terms that stay train without gates. Default: a third of the steps.
   */
  'settleSteps'?: (number);
  /**
   * Embeddings that the patterns match are stored in clusters of so many tokens, most frequent first, and a last one with the rest; each has a
   * width of its own. Empty: one cluster.
   */
  'clusters': (number)[];
  /**
   * How it trains.
   */
  'training': (_athanor_v1_Training__Output | null);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks. Embeddings need a pattern.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Seed of the gates and of random starts. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How far the gate of a matrix's strongest term is ahead of that of its weakest at the start; published is 0. Default 4, with "random" 0.
   */
  'spread'?: (number);
  /**
   * In the last steps, without gates, ends the training after so many measurements in a row that were no better than the best, which is kept. Default 0:
   * it goes on to the end.
   */
  'patience'?: (number);
  /**
   * Steps between two measurements. Default 50.
   */
  'evaluateEvery'?: (number);
  /**
   * Share of the data that is held out to be measured on, where the job has no validation data: above 0, below 1. Default 0.1.
   */
  'heldOut'?: (number);
  '_ratio'?: "ratio";
  '_start'?: "start";
  '_startRatio'?: "startRatio";
  '_dropTendency'?: "dropTendency";
  '_beta'?: "beta";
  '_lagrangian'?: "lagrangian";
  '_targetWarmupSteps'?: "targetWarmupSteps";
  '_gateLearningRate'?: "gateLearningRate";
  '_multiplierLearningRate'?: "multiplierLearningRate";
  '_recompileEvery'?: "recompileEvery";
  '_closedBelow'?: "closedBelow";
  '_settleSteps'?: "settleSteps";
  '_seed'?: "seed";
  '_spread'?: "spread";
  '_patience'?: "patience";
  '_evaluateEvery'?: "evaluateEvery";
  '_heldOut'?: "heldOut";
}
