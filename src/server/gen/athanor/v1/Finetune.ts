// Original file: proto/athanor/v1/training_steps.proto


/**
 * A head for a task that the model does not have yet, and training on data of that task.
 */
export interface Finetune {
  /**
   * Optimizer steps. Default 300.
   */
  'steps'?: (number);
  /**
   * Sequences in one forward pass. Default 8, for classifiers 32.
   */
  'batchSize'?: (number);
  /**
   * Tokens of a sequence. Default 128, at most the model's positions.
   */
  'sequenceLength'?: (number);
  /**
   * Forward passes for one optimizer step. Default 1.
   */
  'gradientAccumulation'?: (number);
  /**
   * Peak learning rate. Default 0.001, for classifiers 0.00005.
   */
  'learningRate'?: (number | string);
  /**
   * Steps of linear warm-up. Default 10.
   */
  'warmupSteps'?: (number);
  /**
   * What the learning rate does after the warm-up: "cosine", "linear" or "constant". Default "cosine", for classifiers "linear".
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
   * Seed of the data order, and of new weights. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * Steps between checkpoints. Default 100; 0 writes one only when the job is stopped.
   */
  'checkpointEvery'?: (number);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * Patterns of the parameters that train, vectors included; `*` stands for any characters. Empty: all.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameters that stay as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Ends the training after so many measurements in a row that were no better than the best, which is kept. Default 0: it goes on to the end.
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
  /**
   * "classify" (labels of texts), "masked" (hidden tokens) or "causal" (what comes next; for models that generate).
   */
  'task'?: (string);
  /**
   * Of "classify", in the order of their logits. Default: those of the data.
   */
  'labels'?: (string)[];
  /**
   * How the student's activations and gradients are multiplied by weights: "float32" (default); "int8", rounded with a scale for each token; or
   * "int8PerTensor", with one scale for all, a little faster and less exact. Gradients of weights stay in floats; with "int8All", which is "int8" otherwise,
   * they are products of numbers rounded with one scale. Integers need a processor with VNNI or AMX and are refused elsewhere.
   */
  'products'?: (string);
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
  '_seed'?: "seed";
  '_checkpointEvery'?: "checkpointEvery";
  '_sourceLength'?: "sourceLength";
  '_patience'?: "patience";
  '_evaluateEvery'?: "evaluateEvery";
  '_heldOut'?: "heldOut";
  '_task'?: "task";
  '_products'?: "products";
  '_recompute'?: "recompute";
  '_memory'?: "memory";
}

/**
 * A head for a task that the model does not have yet, and training on data of that task.
 */
export interface Finetune__Output {
  /**
   * Optimizer steps. Default 300.
   */
  'steps'?: (number);
  /**
   * Sequences in one forward pass. Default 8, for classifiers 32.
   */
  'batchSize'?: (number);
  /**
   * Tokens of a sequence. Default 128, at most the model's positions.
   */
  'sequenceLength'?: (number);
  /**
   * Forward passes for one optimizer step. Default 1.
   */
  'gradientAccumulation'?: (number);
  /**
   * Peak learning rate. Default 0.001, for classifiers 0.00005.
   */
  'learningRate'?: (number);
  /**
   * Steps of linear warm-up. Default 10.
   */
  'warmupSteps'?: (number);
  /**
   * What the learning rate does after the warm-up: "cosine", "linear" or "constant". Default "cosine", for classifiers "linear".
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
   * Seed of the data order, and of new weights. Default: the recipe's.
   */
  'seed'?: (number);
  /**
   * Steps between checkpoints. Default 100; 0 writes one only when the job is stopped.
   */
  'checkpointEvery'?: (number);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * Patterns of the parameters that train, vectors included; `*` stands for any characters. Empty: all.
   */
  'include': (string)[];
  /**
   * Patterns of parameters that stay as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Ends the training after so many measurements in a row that were no better than the best, which is kept. Default 0: it goes on to the end.
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
  /**
   * "classify" (labels of texts), "masked" (hidden tokens) or "causal" (what comes next; for models that generate).
   */
  'task'?: (string);
  /**
   * Of "classify", in the order of their logits. Default: those of the data.
   */
  'labels': (string)[];
  /**
   * How the student's activations and gradients are multiplied by weights: "float32" (default); "int8", rounded with a scale for each token; or
   * "int8PerTensor", with one scale for all, a little faster and less exact. Gradients of weights stay in floats; with "int8All", which is "int8" otherwise,
   * they are products of numbers rounded with one scale. Integers need a processor with VNNI or AMX and are refused elsewhere.
   */
  'products'?: (string);
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
  '_seed'?: "seed";
  '_checkpointEvery'?: "checkpointEvery";
  '_sourceLength'?: "sourceLength";
  '_patience'?: "patience";
  '_evaluateEvery'?: "evaluateEvery";
  '_heldOut'?: "heldOut";
  '_task'?: "task";
  '_products'?: "products";
  '_recompute'?: "recompute";
  '_memory'?: "memory";
}
