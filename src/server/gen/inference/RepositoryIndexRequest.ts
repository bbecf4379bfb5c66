// Original file: proto/inference/grpc_service.proto


export interface RepositoryIndexRequest {
  /**
   * Empty: there is one repository.
   */
  'repositoryName'?: (string);
  /**
   * Only models that are in memory.
   */
  'ready'?: (boolean);
}

export interface RepositoryIndexRequest__Output {
  /**
   * Empty: there is one repository.
   */
  'repositoryName': (string);
  /**
   * Only models that are in memory.
   */
  'ready': (boolean);
}
