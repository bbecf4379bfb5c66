// Original file: proto/athanor/v1/recipe.proto

import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from '../../athanor/v1/Training.ts';

/**
 * Weights that become zero, in whatever form they are stored (dense matrices, low-rank and Kronecker factors). What stays is stored with a
 * bitmap: bytes shrink, latency does not. Zeros stay zero through training.
 */
export interface Prune {
  /**
   * Which weights go: "magnitude" (the smallest; default), "wanda" (those that move the outputs least) or "sparsegpt" (the others make up for
   * them); the last two need calibration text. Learnt in training: "movement" (those whose scores are lowest), "softMovement" (those whose scores are
   * below a threshold, in place of a sparsity) or "gradual" (the smallest, more and more).
   */
  'method'?: (string);
  /**
   * Share of the weights that become zero: 0 < sparsity < 1. Exactly one of `sparsity` and `ratio` without a pattern of groups, none with one.
   */
  'sparsity'?: (number | string);
  /**
   * Stored bytes of the chosen matrices afterwards, relative to before, bitmap included: 0 < ratio < 1. With a structure the share of its units
   * that stays, which is the same for dense matrices: 0 < ratio <= 1.
   */
  'ratio'?: (number | string);
  /**
   * Where zeros are: "unstructured" (default), "2:4" or "4:8" (so many of each group of weights along the inputs stay).
   */
  'pattern'?: (string);
  /**
   * What weights are compared within: "row" (one output; default with "wanda"), "layer" (one matrix; default otherwise) or "global" (all
   * chosen matrices; "magnitude" only).
   */
  'scope'?: (string);
  /**
   * Whether layer inputs are those of the model whose earlier blocks are pruned already, which is a pass over the text for each
   * block. Default: false.
   */
  'sequential'?: (boolean);
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
   * Cuts units out of the matrices, so that the model is smaller and faster, in place of single weights: "heads" (key-value heads with their query
   * heads), "ffn" (neurons), "width" (channels of the residual stream) or "layers". The fields below go with it; `method`, `sparsity`,
   * `pattern`, `scope` and `sequential` do not. Before steps that quantize or that store Kronecker sums.
   */
  'structure'?: (string);
  /**
   * Layers to take out, by index from 0, in place of `ratio`; only with structure "layers".
   */
  'remove'?: (number)[];
  /**
   * What says which units go: "magnitude" (norms of weights; needs no text), "firstOrder" (change of the loss, from gradients), "output" (what the
   * next matrix loses after its refit; heads and ffn) "similarity" (how little a layer changes its input; layers) or "spacing" (evenly spaced layers stay; layers). Default: "firstOrder" for heads
   * and width, "output" for ffn, "similarity" for layers.
   */
  'importance'?: (string);
  /**
   * "uniform" (default) removes the same number from every block, "global" the least important of all blocks: heads and ffn.
   */
  'spread'?: (string);
  /**
   * The number of units that stay in a block is rounded to a multiple of this. Default 1.
   */
  'multipleOf'?: (number);
  /**
   * Refit the matrix that reads the units by least squares on the calibration text. Default: for heads and ffn unless importance is "magnitude".
   */
  'repair'?: (boolean);
  /**
   * How the methods that learn what to prune train: "movement", "softMovement" and "gradual". The fields below go with them.
   */
  'training'?: (_athanor_v1_Training | null);
  /**
   * Training steps before the first zeros. Default 0.
   */
  'warmupSteps'?: (number);
  /**
   * Training steps after the last new zeros. Default 0.
   */
  'cooldownSteps'?: (number);
  /**
   * Steps between two choices of what is zero. Default 10.
   */
  'every'?: (number);
  /**
   * Learning rate of the scores of "movement" and "softMovement". Default 0.01.
   */
  'scoreLearningRate'?: (number | string);
  /**
   * Of "softMovement": what sigmoid(score) must be above in the end: 0 < threshold < 0.5. Default 0.1.
   */
  'threshold'?: (number | string);
  /**
   * Of "softMovement": weight in the end of the mean of sigmoid(score) in the loss. Default 400.
   */
  'penalty'?: (number | string);
  '_method'?: "method";
  '_sparsity'?: "sparsity";
  '_ratio'?: "ratio";
  '_pattern'?: "pattern";
  '_scope'?: "scope";
  '_sequential'?: "sequential";
  '_seed'?: "seed";
  '_structure'?: "structure";
  '_importance'?: "importance";
  '_spread'?: "spread";
  '_multipleOf'?: "multipleOf";
  '_repair'?: "repair";
  '_training'?: "training";
  '_warmupSteps'?: "warmupSteps";
  '_cooldownSteps'?: "cooldownSteps";
  '_every'?: "every";
  '_scoreLearningRate'?: "scoreLearningRate";
  '_threshold'?: "threshold";
  '_penalty'?: "penalty";
}

/**
 * Weights that become zero, in whatever form they are stored (dense matrices, low-rank and Kronecker factors). What stays is stored with a
 * bitmap: bytes shrink, latency does not. Zeros stay zero through training.
 */
export interface Prune__Output {
  /**
   * Which weights go: "magnitude" (the smallest; default), "wanda" (those that move the outputs least) or "sparsegpt" (the others make up for
   * them); the last two need calibration text. Learnt in training: "movement" (those whose scores are lowest), "softMovement" (those whose scores are
   * below a threshold, in place of a sparsity) or "gradual" (the smallest, more and more).
   */
  'method'?: (string);
  /**
   * Share of the weights that become zero: 0 < sparsity < 1. Exactly one of `sparsity` and `ratio` without a pattern of groups, none with one.
   */
  'sparsity'?: (number);
  /**
   * Stored bytes of the chosen matrices afterwards, relative to before, bitmap included: 0 < ratio < 1. With a structure the share of its units
   * that stays, which is the same for dense matrices: 0 < ratio <= 1.
   */
  'ratio'?: (number);
  /**
   * Where zeros are: "unstructured" (default), "2:4" or "4:8" (so many of each group of weights along the inputs stay).
   */
  'pattern'?: (string);
  /**
   * What weights are compared within: "row" (one output; default with "wanda"), "layer" (one matrix; default otherwise) or "global" (all
   * chosen matrices; "magnitude" only).
   */
  'scope'?: (string);
  /**
   * Whether layer inputs are those of the model whose earlier blocks are pruned already, which is a pass over the text for each
   * block. Default: false.
   */
  'sequential'?: (boolean);
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
   * Cuts units out of the matrices, so that the model is smaller and faster, in place of single weights: "heads" (key-value heads with their query
   * heads), "ffn" (neurons), "width" (channels of the residual stream) or "layers". The fields below go with it; `method`, `sparsity`,
   * `pattern`, `scope` and `sequential` do not. Before steps that quantize or that store Kronecker sums.
   */
  'structure'?: (string);
  /**
   * Layers to take out, by index from 0, in place of `ratio`; only with structure "layers".
   */
  'remove': (number)[];
  /**
   * What says which units go: "magnitude" (norms of weights; needs no text), "firstOrder" (change of the loss, from gradients), "output" (what the
   * next matrix loses after its refit; heads and ffn) "similarity" (how little a layer changes its input; layers) or "spacing" (evenly spaced layers stay; layers). Default: "firstOrder" for heads
   * and width, "output" for ffn, "similarity" for layers.
   */
  'importance'?: (string);
  /**
   * "uniform" (default) removes the same number from every block, "global" the least important of all blocks: heads and ffn.
   */
  'spread'?: (string);
  /**
   * The number of units that stay in a block is rounded to a multiple of this. Default 1.
   */
  'multipleOf'?: (number);
  /**
   * Refit the matrix that reads the units by least squares on the calibration text. Default: for heads and ffn unless importance is "magnitude".
   */
  'repair'?: (boolean);
  /**
   * How the methods that learn what to prune train: "movement", "softMovement" and "gradual". The fields below go with them.
   */
  'training'?: (_athanor_v1_Training__Output | null);
  /**
   * Training steps before the first zeros. Default 0.
   */
  'warmupSteps'?: (number);
  /**
   * Training steps after the last new zeros. Default 0.
   */
  'cooldownSteps'?: (number);
  /**
   * Steps between two choices of what is zero. Default 10.
   */
  'every'?: (number);
  /**
   * Learning rate of the scores of "movement" and "softMovement". Default 0.01.
   */
  'scoreLearningRate'?: (number);
  /**
   * Of "softMovement": what sigmoid(score) must be above in the end: 0 < threshold < 0.5. Default 0.1.
   */
  'threshold'?: (number);
  /**
   * Of "softMovement": weight in the end of the mean of sigmoid(score) in the loss. Default 400.
   */
  'penalty'?: (number);
  '_method'?: "method";
  '_sparsity'?: "sparsity";
  '_ratio'?: "ratio";
  '_pattern'?: "pattern";
  '_scope'?: "scope";
  '_sequential'?: "sequential";
  '_seed'?: "seed";
  '_structure'?: "structure";
  '_importance'?: "importance";
  '_spread'?: "spread";
  '_multipleOf'?: "multipleOf";
  '_repair'?: "repair";
  '_training'?: "training";
  '_warmupSteps'?: "warmupSteps";
  '_cooldownSteps'?: "cooldownSteps";
  '_every'?: "every";
  '_scoreLearningRate'?: "scoreLearningRate";
  '_threshold'?: "threshold";
  '_penalty'?: "penalty";
}
