// Original file: proto/inference/grpc_service.proto


export interface ServerMetadataResponse {
  /**
   * Name of the program.
   */
  'name'?: (string);
  /**
   * Its version.
   */
  'version'?: (string);
  /**
   * Extensions of the protocol that it serves.
   */
  'extensions'?: (string)[];
}

export interface ServerMetadataResponse__Output {
  /**
   * Name of the program.
   */
  'name': (string);
  /**
   * Its version.
   */
  'version': (string);
  /**
   * Extensions of the protocol that it serves.
   */
  'extensions': (string)[];
}
