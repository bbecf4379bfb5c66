// Original file: proto/athanor/v1/training_steps.proto

import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from '../../athanor/v1/Training.ts';

/**
 * Training with weights, and where asked layer inputs, in few bits: rounded forward, with straight-through gradients. The codes of the end are stored;
 * the last step that touches a matrix.
 */
export interface Qat {
  /**
   * "integer" (default), "ternary" (weights -a, 0, a in 2 bits) or "binary" (-a, a in 1 bit).
   */
  'scheme'?: (string);
  /**
   * Of one weight of scheme "integer": 8, 4, 3 or 2.
   */
  'bits'?: (number);
  /**
   * Weights that share a scale: a power of two, 16 to 1024. Default 32.
   */
  'groupSize'?: (number);
  /**
   * One scale for each output in place of groups. Default: false.
   */
  'perChannel'?: (boolean);
  /**
   * Without zero points. Default: at 8 bits only.
   */
  'symmetric'?: (boolean);
  /**
   * Where the step sizes of whole numbers come from: "range" (that of each group; default) or "learned" (training).
   */
  'stepSize'?: (string);
  /**
   * What becomes zero in ternary codes: "twn" (below 0.7 of the mean magnitude; default) or "absmean" (below half of it).
   */
  'threshold'?: (string);
  /**
   * Ternary and binary weights farther from zero than this get no gradient. Default 2.5.
   */
  'clip'?: (number | string);
  /**
   * Binary from ternary: trains ternary weights first, and splits each into two binary ones. Default: true.
   */
  'split'?: (boolean);
  /**
   * Steps of that first training. Default: those of `training`.
   */
  'ternarySteps'?: (number);
  /**
   * What linear layers read: "none" (floats; default), "token" (8 bits row by row), "dynamic" (8 bits by the range of each batch) or "learned" (8 bits by a
   * step that trains). The last two go with 8 bits.
   */
  'activations'?: (string);
  /**
   * Steps over which rounding sets in. Default 0: it is whole from the first step on.
   */
  'lambdaSteps'?: (number);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks. Embeddings and the head need a pattern.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Seed of the step. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How it trains.
   */
  'training'?: (_athanor_v1_Training | null);
  '_scheme'?: "scheme";
  '_bits'?: "bits";
  '_groupSize'?: "groupSize";
  '_perChannel'?: "perChannel";
  '_symmetric'?: "symmetric";
  '_stepSize'?: "stepSize";
  '_threshold'?: "threshold";
  '_clip'?: "clip";
  '_split'?: "split";
  '_ternarySteps'?: "ternarySteps";
  '_activations'?: "activations";
  '_lambdaSteps'?: "lambdaSteps";
  '_seed'?: "seed";
  '_training'?: "training";
}

/**
 * Training with weights, and where asked layer inputs, in few bits: rounded forward, with straight-through gradients. The codes of the end are stored;
 * the last step that touches a matrix.
 */
export interface Qat__Output {
  /**
   * "integer" (default), "ternary" (weights -a, 0, a in 2 bits) or "binary" (-a, a in 1 bit).
   */
  'scheme'?: (string);
  /**
   * Of one weight of scheme "integer": 8, 4, 3 or 2.
   */
  'bits'?: (number);
  /**
   * Weights that share a scale: a power of two, 16 to 1024. Default 32.
   */
  'groupSize'?: (number);
  /**
   * One scale for each output in place of groups. Default: false.
   */
  'perChannel'?: (boolean);
  /**
   * Without zero points. Default: at 8 bits only.
   */
  'symmetric'?: (boolean);
  /**
   * Where the step sizes of whole numbers come from: "range" (that of each group; default) or "learned" (training).
   */
  'stepSize'?: (string);
  /**
   * What becomes zero in ternary codes: "twn" (below 0.7 of the mean magnitude; default) or "absmean" (below half of it).
   */
  'threshold'?: (string);
  /**
   * Ternary and binary weights farther from zero than this get no gradient. Default 2.5.
   */
  'clip'?: (number);
  /**
   * Binary from ternary: trains ternary weights first, and splits each into two binary ones. Default: true.
   */
  'split'?: (boolean);
  /**
   * Steps of that first training. Default: those of `training`.
   */
  'ternarySteps'?: (number);
  /**
   * What linear layers read: "none" (floats; default), "token" (8 bits row by row), "dynamic" (8 bits by the range of each batch) or "learned" (8 bits by a
   * step that trains). The last two go with 8 bits.
   */
  'activations'?: (string);
  /**
   * Steps over which rounding sets in. Default 0: it is whole from the first step on.
   */
  'lambdaSteps'?: (number);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every matrix inside the blocks. Embeddings and the head need a pattern.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Seed of the step. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * How it trains.
   */
  'training'?: (_athanor_v1_Training__Output | null);
  '_scheme'?: "scheme";
  '_bits'?: "bits";
  '_groupSize'?: "groupSize";
  '_perChannel'?: "perChannel";
  '_symmetric'?: "symmetric";
  '_stepSize'?: "stepSize";
  '_threshold'?: "threshold";
  '_clip'?: "clip";
  '_split'?: "split";
  '_ternarySteps'?: "ternarySteps";
  '_activations'?: "activations";
  '_lambdaSteps'?: "lambdaSteps";
  '_seed'?: "seed";
  '_training'?: "training";
}
