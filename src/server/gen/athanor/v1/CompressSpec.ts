// Original file: proto/athanor/v1/job.proto

import type { Recipe as _athanor_v1_Recipe, Recipe__Output as _athanor_v1_Recipe__Output } from '../../athanor/v1/Recipe.ts';
import type { TextData as _athanor_v1_TextData, TextData__Output as _athanor_v1_TextData__Output } from '../../athanor/v1/TextData.ts';
import type { Calibration as _athanor_v1_Calibration, Calibration__Output as _athanor_v1_Calibration__Output } from '../../athanor/v1/Calibration.ts';

/**
 * Applies a recipe to a model and stores the result.
 */
export interface CompressSpec {
  /**
   * Model to start from; it stays as it is.
   */
  'model'?: (string);
  /**
   * Name to store the result under.
   */
  'name'?: (string);
  /**
   * The recipe as a message.
   */
  'recipe'?: (_athanor_v1_Recipe | null);
  /**
   * The recipe as YAML or JSON text. Its errors name the field, misspelt ones included.
   */
  'recipeYaml'?: (string);
  /**
   * Text, for the steps that calibrate or train.
   */
  'data'?: (_athanor_v1_TextData | null);
  /**
   * How much of the calibration text is used.
   */
  'calibration'?: (_athanor_v1_Calibration | null);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace'?: (boolean);
  /**
   * Name of a recipe that comes with the server: "default", "distilbert", "distilgpt2", "minilm", "tinybert" or "tqcompressor".
   */
  'recipeName'?: (string);
  /**
   * Exactly one.
   */
  'recipeForm'?: "recipe"|"recipeYaml"|"recipeName";
}

/**
 * Applies a recipe to a model and stores the result.
 */
export interface CompressSpec__Output {
  /**
   * Model to start from; it stays as it is.
   */
  'model': (string);
  /**
   * Name to store the result under.
   */
  'name': (string);
  /**
   * The recipe as a message.
   */
  'recipe'?: (_athanor_v1_Recipe__Output | null);
  /**
   * The recipe as YAML or JSON text. Its errors name the field, misspelt ones included.
   */
  'recipeYaml'?: (string);
  /**
   * Text, for the steps that calibrate or train.
   */
  'data': (_athanor_v1_TextData__Output | null);
  /**
   * How much of the calibration text is used.
   */
  'calibration': (_athanor_v1_Calibration__Output | null);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace': (boolean);
  /**
   * Name of a recipe that comes with the server: "default", "distilbert", "distilgpt2", "minilm", "tinybert" or "tqcompressor".
   */
  'recipeName'?: (string);
  /**
   * Exactly one.
   */
  'recipeForm'?: "recipe"|"recipeYaml"|"recipeName";
}
