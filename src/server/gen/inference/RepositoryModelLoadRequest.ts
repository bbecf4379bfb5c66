// Original file: proto/inference/grpc_service.proto

import type { ModelRepositoryParameter as _inference_ModelRepositoryParameter, ModelRepositoryParameter__Output as _inference_ModelRepositoryParameter__Output } from '../inference/ModelRepositoryParameter.ts';

export interface RepositoryModelLoadRequest {
  /**
   * Empty: there is one repository.
   */
  'repositoryName'?: (string);
  /**
   * Name of the model.
   */
  'modelName'?: (string);
  /**
   * None is taken.
   */
  'parameters'?: ({[key: string]: _inference_ModelRepositoryParameter});
}

export interface RepositoryModelLoadRequest__Output {
  /**
   * Empty: there is one repository.
   */
  'repositoryName': (string);
  /**
   * Name of the model.
   */
  'modelName': (string);
  /**
   * None is taken.
   */
  'parameters': ({[key: string]: _inference_ModelRepositoryParameter__Output});
}
