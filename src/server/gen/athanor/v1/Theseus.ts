// Original file: proto/athanor/v1/training_steps.proto

import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from '../../athanor/v1/Training.ts';

/**
 * BERT-of-Theseus: the layers are divided into modules, and each module into fewer layers that are trained among the others. Embeddings and head stay.
 */
export interface Theseus {
  /**
   * Modules that the layers are divided into; must divide them. Default: `layers`.
   */
  'modules'?: (number);
  /**
   * Layers of the result, a multiple of `modules`. Default: `modules`.
   */
  'layers'?: (number);
  /**
   * Which layers the result starts from: "first" (default), "last" or "interleaved".
   */
  'start'?: (string);
  /**
   * How the chance that a module is replaced goes on until all are: "linear" (default; k·t + b), "constant" (p) or "antiCurriculum" (1 - k·t, at
   * least b).
   */
  'schedule'?: (string);
  /**
   * The chance of "constant": 0 < p <= 1. Default 0.5.
   */
  'p'?: (number | string);
  /**
   * Change of the chance in a step, above 0; in place of `replacement_steps`.
   */
  'k'?: (number | string);
  /**
   * The chance that "linear" begins with and "antiCurriculum" ends with: 0 <= b < 1. Default 0.3.
   */
  'b'?: (number | string);
  /**
   * Steps after which all modules are replaced. Default: half of all steps.
   */
  'replacementSteps'?: (number);
  /**
   * Once all are replaced, ends the training after so many measurements in a row that were no better than the best, which is kept. Default 3; 0 goes
   * on to the end.
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
   * Its steps are those of the replacing and of what follows. Without a teacher it trains on the data alone.
   */
  'training'?: (_athanor_v1_Training | null);
  /**
   * Seed of the draws. Default: the recipe's.
   */
  'seed'?: (number);
  '_modules'?: "modules";
  '_layers'?: "layers";
  '_start'?: "start";
  '_schedule'?: "schedule";
  '_p'?: "p";
  '_k'?: "k";
  '_b'?: "b";
  '_replacementSteps'?: "replacementSteps";
  '_patience'?: "patience";
  '_evaluateEvery'?: "evaluateEvery";
  '_heldOut'?: "heldOut";
  '_seed'?: "seed";
}

/**
 * BERT-of-Theseus: the layers are divided into modules, and each module into fewer layers that are trained among the others. Embeddings and head stay.
 */
export interface Theseus__Output {
  /**
   * Modules that the layers are divided into; must divide them. Default: `layers`.
   */
  'modules'?: (number);
  /**
   * Layers of the result, a multiple of `modules`. Default: `modules`.
   */
  'layers'?: (number);
  /**
   * Which layers the result starts from: "first" (default), "last" or "interleaved".
   */
  'start'?: (string);
  /**
   * How the chance that a module is replaced goes on until all are: "linear" (default; k·t + b), "constant" (p) or "antiCurriculum" (1 - k·t, at
   * least b).
   */
  'schedule'?: (string);
  /**
   * The chance of "constant": 0 < p <= 1. Default 0.5.
   */
  'p'?: (number);
  /**
   * Change of the chance in a step, above 0; in place of `replacement_steps`.
   */
  'k'?: (number);
  /**
   * The chance that "linear" begins with and "antiCurriculum" ends with: 0 <= b < 1. Default 0.3.
   */
  'b'?: (number);
  /**
   * Steps after which all modules are replaced. Default: half of all steps.
   */
  'replacementSteps'?: (number);
  /**
   * Once all are replaced, ends the training after so many measurements in a row that were no better than the best, which is kept. Default 3; 0 goes
   * on to the end.
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
   * Its steps are those of the replacing and of what follows. Without a teacher it trains on the data alone.
   */
  'training': (_athanor_v1_Training__Output | null);
  /**
   * Seed of the draws. Default: the recipe's.
   */
  'seed'?: (number);
  '_modules'?: "modules";
  '_layers'?: "layers";
  '_start'?: "start";
  '_schedule'?: "schedule";
  '_p'?: "p";
  '_k'?: "k";
  '_b'?: "b";
  '_replacementSteps'?: "replacementSteps";
  '_patience'?: "patience";
  '_evaluateEvery'?: "evaluateEvery";
  '_heldOut'?: "heldOut";
  '_seed'?: "seed";
}
