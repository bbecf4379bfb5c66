// Original file: proto/athanor/v1/training_steps.proto

import type { DistillLoss as _athanor_v1_DistillLoss, DistillLoss__Output as _athanor_v1_DistillLoss__Output } from '../../athanor/v1/DistillLoss.ts';
import type { DistillTeacher as _athanor_v1_DistillTeacher, DistillTeacher__Output as _athanor_v1_DistillTeacher__Output } from '../../athanor/v1/DistillTeacher.ts';

/**
 * How a step that works while training trains. Fields that are absent take the default of `Distill`, or of the step.
 */
export interface Training {
  /**
   * Optimizer steps.
   */
  'steps'?: (number);
  /**
   * Sequences in one forward pass.
   */
  'batchSize'?: (number);
  /**
   * Tokens of a sequence, at most the model's positions.
   */
  'sequenceLength'?: (number);
  /**
   * Forward passes for one optimizer step.
   */
  'gradientAccumulation'?: (number);
  /**
   * Peak learning rate.
   */
  'learningRate'?: (number | string);
  /**
   * Steps of linear warm-up.
   */
  'warmupSteps'?: (number);
  /**
   * What the learning rate does after the warm-up: "cosine", "linear" or "constant".
   */
  'schedule'?: (string);
  /**
   * Decoupled weight decay of matrices.
   */
  'weightDecay'?: (number | string);
  /**
   * Largest global norm of the gradient; 0 clips nothing.
   */
  'clipNorm'?: (number | string);
  /**
   * Temperature of both distributions in the teacher term.
   */
  'temperature'?: (number | string);
  /**
   * Weight of the teacher term against cross-entropy, 0..1.
   */
  'alpha'?: (number | string);
  /**
   * Seed of the data order. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * Steps between checkpoints; 0 writes one only when the job is stopped.
   */
  'checkpointEvery'?: (number);
  /**
   * A stored model to learn from, "athanor://host:port/model" for one on another athanor server, or "none" for the data alone. Default: the model that the
   * recipe started from; of theseus, ladder and lora none.
   */
  'teacher'?: (string);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * What is learnt, in place of `temperature` and `alpha`: the sum of these losses. Empty: the short form. While modules are replaced (theseus), beside a
   * frozen model (ladder) and behind the rows of a prompt there are only losses of answers.
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
   * Several teachers with the student's tokenizer, in place of `teacher`.
   */
  'teachers'?: (_athanor_v1_DistillTeacher)[];
  /**
   * Likeliest answers that a teacher on another server sends of each row, with the probability of all others together. Default: every answer, in
   * half precision.
   */
  'teacherTopK'?: (number);
  /**
   * Folder on the server with a recorded teacher, in place of `teacher`; a record job makes it. It is of all of the job's data, which then needs
   * `validation` wherever something is measured.
   */
  'recording'?: (string);
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
  '_teacher'?: "teacher";
  '_sourceLength'?: "sourceLength";
  '_balance'?: "balance";
  '_balanceEvery'?: "balanceEvery";
  '_average'?: "average";
  '_teacherTopK'?: "teacherTopK";
  '_recording'?: "recording";
  '_products'?: "products";
  '_teacherProducts'?: "teacherProducts";
  '_recompute'?: "recompute";
  '_memory'?: "memory";
}

/**
 * How a step that works while training trains. Fields that are absent take the default of `Distill`, or of the step.
 */
export interface Training__Output {
  /**
   * Optimizer steps.
   */
  'steps'?: (number);
  /**
   * Sequences in one forward pass.
   */
  'batchSize'?: (number);
  /**
   * Tokens of a sequence, at most the model's positions.
   */
  'sequenceLength'?: (number);
  /**
   * Forward passes for one optimizer step.
   */
  'gradientAccumulation'?: (number);
  /**
   * Peak learning rate.
   */
  'learningRate'?: (number);
  /**
   * Steps of linear warm-up.
   */
  'warmupSteps'?: (number);
  /**
   * What the learning rate does after the warm-up: "cosine", "linear" or "constant".
   */
  'schedule'?: (string);
  /**
   * Decoupled weight decay of matrices.
   */
  'weightDecay'?: (number);
  /**
   * Largest global norm of the gradient; 0 clips nothing.
   */
  'clipNorm'?: (number);
  /**
   * Temperature of both distributions in the teacher term.
   */
  'temperature'?: (number);
  /**
   * Weight of the teacher term against cross-entropy, 0..1.
   */
  'alpha'?: (number);
  /**
   * Seed of the data order. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * Steps between checkpoints; 0 writes one only when the job is stopped.
   */
  'checkpointEvery'?: (number);
  /**
   * A stored model to learn from, "athanor://host:port/model" for one on another athanor server, or "none" for the data alone. Default: the model that the
   * recipe started from; of theseus, ladder and lora none.
   */
  'teacher'?: (string);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * What is learnt, in place of `temperature` and `alpha`: the sum of these losses. Empty: the short form. While modules are replaced (theseus), beside a
   * frozen model (ladder) and behind the rows of a prompt there are only losses of answers.
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
   * Several teachers with the student's tokenizer, in place of `teacher`.
   */
  'teachers': (_athanor_v1_DistillTeacher__Output)[];
  /**
   * Likeliest answers that a teacher on another server sends of each row, with the probability of all others together. Default: every answer, in
   * half precision.
   */
  'teacherTopK'?: (number);
  /**
   * Folder on the server with a recorded teacher, in place of `teacher`; a record job makes it. It is of all of the job's data, which then needs
   * `validation` wherever something is measured.
   */
  'recording'?: (string);
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
  '_teacher'?: "teacher";
  '_sourceLength'?: "sourceLength";
  '_balance'?: "balance";
  '_balanceEvery'?: "balanceEvery";
  '_average'?: "average";
  '_teacherTopK'?: "teacherTopK";
  '_recording'?: "recording";
  '_products'?: "products";
  '_teacherProducts'?: "teacherProducts";
  '_recompute'?: "recompute";
  '_memory'?: "memory";
}
