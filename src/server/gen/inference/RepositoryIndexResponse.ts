// Original file: proto/inference/grpc_service.proto


/**
 * One model of the store.
 */
export interface _inference_RepositoryIndexResponse_ModelIndex {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Number of its newest version.
   */
  'version'?: (string);
  /**
   * READY, UNAVAILABLE, LOADING or UNLOADING.
   */
  'state'?: (string);
  /**
   * Why it is in that state.
   */
  'reason'?: (string);
}

/**
 * One model of the store.
 */
export interface _inference_RepositoryIndexResponse_ModelIndex__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Number of its newest version.
   */
  'version': (string);
  /**
   * READY, UNAVAILABLE, LOADING or UNLOADING.
   */
  'state': (string);
  /**
   * Why it is in that state.
   */
  'reason': (string);
}

export interface RepositoryIndexResponse {
  /**
   * By name.
   */
  'models'?: (_inference_RepositoryIndexResponse_ModelIndex)[];
}

export interface RepositoryIndexResponse__Output {
  /**
   * By name.
   */
  'models': (_inference_RepositoryIndexResponse_ModelIndex__Output)[];
}
