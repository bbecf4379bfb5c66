// Original file: proto/athanor/v1/job.proto

import type { DistillLoss as _athanor_v1_DistillLoss, DistillLoss__Output as _athanor_v1_DistillLoss__Output } from '../../athanor/v1/DistillLoss.ts';

/**
 * How to train. Fields that are absent take the default in the comment.
 */
export interface DistillSettings {
  /**
   * Optimizer steps. Default 300.
   */
  'steps'?: (number);
  /**
   * Sequences in one forward pass. Default 8, for classifiers 32.
   */
  'batchSize'?: (number);
  /**
   * Tokens of a sequence, the longest text of a classifier or target of a pair. Default 128, at most the model's positions. Longer texts are
   * cut, longer pairs left out.
   */
  'sequenceLength'?: (number);
  /**
   * Forward passes for one optimizer step. Default 1.
   */
  'gradientAccumulation'?: (number);
  /**
   * Peak learning rate. Default 0.0003, from scratch 0.001, for classifiers 0.0001, without a teacher 0.00005.
   */
  'learningRate'?: (number | string);
  /**
   * Steps of linear warm-up. Default 10.
   */
  'warmupSteps'?: (number);
  /**
   * What the learning rate does after the warm-up: "cosine" (default), "linear" (default for classifiers) or "constant".
   */
  'schedule'?: (string);
  /**
   * Decoupled weight decay of matrices. Default 0.01.
   */
  'weightDecay'?: (number | string);
  /**
   * Largest global norm of the gradient. Default 1; 0 clips nothing.
   */
  'clipNorm'?: (number | string);
  /**
   * Temperature of both distributions in the teacher term. Default 1.
   */
  'temperature'?: (number | string);
  /**
   * Weight of the teacher term against cross-entropy, 0..1. Default 0.9; without a teacher 0.
   */
  'alpha'?: (number | string);
  /**
   * Seed of the data order and of random weights. Default 0.
   */
  'seed'?: (number);
  /**
   * Steps between checkpoints. Default 100; 0 writes one only when the job is stopped.
   */
  'checkpointEvery'?: (number);
  /**
   * Steps between measurements on `validation`. Default 0: only at the end.
   */
  'evaluateEvery'?: (number);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * What is learnt, in place of `temperature` and `alpha`: the sum of these losses. Empty: the short form.
   */
  'losses'?: (_athanor_v1_DistillLoss)[];
  /**
   * "gradientNorm": weights of the losses are their shares in the gradient. Default: weights are factors.
   */
  'balance'?: (string);
  /**
   * With `balance`, steps between two measurements of the gradients. Default 10.
   */
  'balanceEvery'?: (number);
  /**
   * Of several teachers, the mean of their "probabilities" (default) or of their "logits".
   */
  'average'?: (string);
  /**
   * How the student's activations and gradients are multiplied by weights: "float32" (default); "int8", rounded with a scale for each token; or
   * "int8PerTensor", with one scale for all, a little faster and less exact. Gradients of weights stay in floats; with "int8All", which is "int8" otherwise,
   * they are products of numbers rounded with one scale. Integers need a processor with VNNI or AMX and are refused elsewhere.
   */
  'products'?: (string);
  /**
   * "int8": teachers on this server multiply in 8-bit integers, rounded once. Needs a processor with VNNI or AMX. Default: as they are stored.
   */
  'teacherProducts'?: (string);
  /**
   * What matrix products are computed in: "float32", "bfloat16", "float16" (with a loss scale), or "auto" (default): bfloat16 where the device has
   * kernels for it, else float32. Weights, gradients and the optimizer are float32 in all.
   */
  'precision'?: (string);
  /**
   * The backward pass computes the activations of blocks again instead of keeping them: less memory, about a sixth more time, the same
   * gradients. Default false.
   */
  'recompute'?: (boolean);
  /**
   * "given" (default): the job is refused where its batches do not fit the memory there is, and says which settings would. "auto": it takes
   * micro-batches and computes activations again as far as it must, and says so in its first progress event.
   */
  'memory'?: (string);
  '_steps'?: "steps";
  '_batchSize'?: "batchSize";
  '_sequenceLength'?: "sequenceLength";
  '_gradientAccumulation'?: "gradientAccumulation";
  '_learningRate'?: "learningRate";
  '_warmupSteps'?: "warmupSteps";
  '_schedule'?: "schedule";
  '_weightDecay'?: "weightDecay";
  '_clipNorm'?: "clipNorm";
  '_precision'?: "precision";
  '_temperature'?: "temperature";
  '_alpha'?: "alpha";
  '_seed'?: "seed";
  '_checkpointEvery'?: "checkpointEvery";
  '_evaluateEvery'?: "evaluateEvery";
  '_sourceLength'?: "sourceLength";
  '_balance'?: "balance";
  '_balanceEvery'?: "balanceEvery";
  '_average'?: "average";
  '_products'?: "products";
  '_teacherProducts'?: "teacherProducts";
  '_recompute'?: "recompute";
  '_memory'?: "memory";
}

/**
 * How to train. Fields that are absent take the default in the comment.
 */
export interface DistillSettings__Output {
  /**
   * Optimizer steps. Default 300.
   */
  'steps'?: (number);
  /**
   * Sequences in one forward pass. Default 8, for classifiers 32.
   */
  'batchSize'?: (number);
  /**
   * Tokens of a sequence, the longest text of a classifier or target of a pair. Default 128, at most the model's positions. Longer texts are
   * cut, longer pairs left out.
   */
  'sequenceLength'?: (number);
  /**
   * Forward passes for one optimizer step. Default 1.
   */
  'gradientAccumulation'?: (number);
  /**
   * Peak learning rate. Default 0.0003, from scratch 0.001, for classifiers 0.0001, without a teacher 0.00005.
   */
  'learningRate'?: (number);
  /**
   * Steps of linear warm-up. Default 10.
   */
  'warmupSteps'?: (number);
  /**
   * What the learning rate does after the warm-up: "cosine" (default), "linear" (default for classifiers) or "constant".
   */
  'schedule'?: (string);
  /**
   * Decoupled weight decay of matrices. Default 0.01.
   */
  'weightDecay'?: (number);
  /**
   * Largest global norm of the gradient. Default 1; 0 clips nothing.
   */
  'clipNorm'?: (number);
  /**
   * Temperature of both distributions in the teacher term. Default 1.
   */
  'temperature'?: (number);
  /**
   * Weight of the teacher term against cross-entropy, 0..1. Default 0.9; without a teacher 0.
   */
  'alpha'?: (number);
  /**
   * Seed of the data order and of random weights. Default 0.
   */
  'seed'?: (number);
  /**
   * Steps between checkpoints. Default 100; 0 writes one only when the job is stopped.
   */
  'checkpointEvery'?: (number);
  /**
   * Steps between measurements on `validation`. Default 0: only at the end.
   */
  'evaluateEvery'?: (number);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * What is learnt, in place of `temperature` and `alpha`: the sum of these losses. Empty: the short form.
   */
  'losses': (_athanor_v1_DistillLoss__Output)[];
  /**
   * "gradientNorm": weights of the losses are their shares in the gradient. Default: weights are factors.
   */
  'balance'?: (string);
  /**
   * With `balance`, steps between two measurements of the gradients. Default 10.
   */
  'balanceEvery'?: (number);
  /**
   * Of several teachers, the mean of their "probabilities" (default) or of their "logits".
   */
  'average'?: (string);
  /**
   * How the student's activations and gradients are multiplied by weights: "float32" (default); "int8", rounded with a scale for each token; or
   * "int8PerTensor", with one scale for all, a little faster and less exact. Gradients of weights stay in floats; with "int8All", which is "int8" otherwise,
   * they are products of numbers rounded with one scale. Integers need a processor with VNNI or AMX and are refused elsewhere.
   */
  'products'?: (string);
  /**
   * "int8": teachers on this server multiply in 8-bit integers, rounded once. Needs a processor with VNNI or AMX. Default: as they are stored.
   */
  'teacherProducts'?: (string);
  /**
   * What matrix products are computed in: "float32", "bfloat16", "float16" (with a loss scale), or "auto" (default): bfloat16 where the device has
   * kernels for it, else float32. Weights, gradients and the optimizer are float32 in all.
   */
  'precision'?: (string);
  /**
   * The backward pass computes the activations of blocks again instead of keeping them: less memory, about a sixth more time, the same
   * gradients. Default false.
   */
  'recompute'?: (boolean);
  /**
   * "given" (default): the job is refused where its batches do not fit the memory there is, and says which settings would. "auto": it takes
   * micro-batches and computes activations again as far as it must, and says so in its first progress event.
   */
  'memory'?: (string);
  '_steps'?: "steps";
  '_batchSize'?: "batchSize";
  '_sequenceLength'?: "sequenceLength";
  '_gradientAccumulation'?: "gradientAccumulation";
  '_learningRate'?: "learningRate";
  '_warmupSteps'?: "warmupSteps";
  '_schedule'?: "schedule";
  '_weightDecay'?: "weightDecay";
  '_clipNorm'?: "clipNorm";
  '_precision'?: "precision";
  '_temperature'?: "temperature";
  '_alpha'?: "alpha";
  '_seed'?: "seed";
  '_checkpointEvery'?: "checkpointEvery";
  '_evaluateEvery'?: "evaluateEvery";
  '_sourceLength'?: "sourceLength";
  '_balance'?: "balance";
  '_balanceEvery'?: "balanceEvery";
  '_average'?: "average";
  '_products'?: "products";
  '_teacherProducts'?: "teacherProducts";
  '_recompute'?: "recompute";
  '_memory'?: "memory";
}
