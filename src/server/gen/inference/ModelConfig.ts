// Original file: proto/inference/model_config.proto

import type { ModelVersionPolicy as _inference_ModelVersionPolicy, ModelVersionPolicy__Output as _inference_ModelVersionPolicy__Output } from '../inference/ModelVersionPolicy.ts';
import type { ModelInput as _inference_ModelInput, ModelInput__Output as _inference_ModelInput__Output } from '../inference/ModelInput.ts';
import type { ModelOutput as _inference_ModelOutput, ModelOutput__Output as _inference_ModelOutput__Output } from '../inference/ModelOutput.ts';
import type { ModelDynamicBatching as _inference_ModelDynamicBatching, ModelDynamicBatching__Output as _inference_ModelDynamicBatching__Output } from '../inference/ModelDynamicBatching.ts';
import type { ModelParameter as _inference_ModelParameter, ModelParameter__Output as _inference_ModelParameter__Output } from '../inference/ModelParameter.ts';
import type { ModelTransactionPolicy as _inference_ModelTransactionPolicy, ModelTransactionPolicy__Output as _inference_ModelTransactionPolicy__Output } from '../inference/ModelTransactionPolicy.ts';

export interface ModelConfig {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * What runs it.
   */
  'platform'?: (string);
  /**
   * Which versions can be asked for.
   */
  'versionPolicy'?: (_inference_ModelVersionPolicy | null);
  /**
   * Most rows of one request; 0 where the first size is not that of a batch.
   */
  'maxBatchSize'?: (number);
  /**
   * Tensors it takes.
   */
  'input'?: (_inference_ModelInput)[];
  /**
   * Tensors it gives.
   */
  'output'?: (_inference_ModelOutput)[];
  /**
   * Into batches.
   */
  'dynamicBatching'?: (_inference_ModelDynamicBatching | null);
  /**
   * What else is known of it.
   */
  'parameters'?: ({[key: string]: _inference_ModelParameter});
  /**
   * Program that runs it.
   */
  'backend'?: (string);
  /**
   * How answers belong to requests.
   */
  'modelTransactionPolicy'?: (_inference_ModelTransactionPolicy | null);
  /**
   * How requests are put together.
   */
  'schedulingChoice'?: "dynamicBatching";
}

export interface ModelConfig__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * What runs it.
   */
  'platform': (string);
  /**
   * Which versions can be asked for.
   */
  'versionPolicy': (_inference_ModelVersionPolicy__Output | null);
  /**
   * Most rows of one request; 0 where the first size is not that of a batch.
   */
  'maxBatchSize': (number);
  /**
   * Tensors it takes.
   */
  'input': (_inference_ModelInput__Output)[];
  /**
   * Tensors it gives.
   */
  'output': (_inference_ModelOutput__Output)[];
  /**
   * Into batches.
   */
  'dynamicBatching'?: (_inference_ModelDynamicBatching__Output | null);
  /**
   * What else is known of it.
   */
  'parameters': ({[key: string]: _inference_ModelParameter__Output});
  /**
   * Program that runs it.
   */
  'backend': (string);
  /**
   * How answers belong to requests.
   */
  'modelTransactionPolicy': (_inference_ModelTransactionPolicy__Output | null);
  /**
   * How requests are put together.
   */
  'schedulingChoice'?: "dynamicBatching";
}
