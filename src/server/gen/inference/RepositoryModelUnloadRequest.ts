// Original file: proto/inference/grpc_service.proto

import type { ModelRepositoryParameter as _inference_ModelRepositoryParameter, ModelRepositoryParameter__Output as _inference_ModelRepositoryParameter__Output } from '../inference/ModelRepositoryParameter.ts';

export interface RepositoryModelUnloadRequest {
  /**
   * Empty: there is one repository.
   */
  'repositoryName'?: (string);
  /**
   * Name of the model.
   */
  'modelName'?: (string);
  /**
   * `unload_dependents` is taken and changes nothing: no model depends on another.
   */
  'parameters'?: ({[key: string]: _inference_ModelRepositoryParameter});
}

export interface RepositoryModelUnloadRequest__Output {
  /**
   * Empty: there is one repository.
   */
  'repositoryName': (string);
  /**
   * Name of the model.
   */
  'modelName': (string);
  /**
   * `unload_dependents` is taken and changes nothing: no model depends on another.
   */
  'parameters': ({[key: string]: _inference_ModelRepositoryParameter__Output});
}
