// Original file: proto/grpc/reflection/v1alpha/reflection.proto


/**
 * Files.
 */
export interface FileDescriptorResponse {
  /**
   * FileDescriptorProto messages.
   */
  'fileDescriptorProto'?: (Buffer | Uint8Array | string)[];
}

/**
 * Files.
 */
export interface FileDescriptorResponse__Output {
  /**
   * FileDescriptorProto messages.
   */
  'fileDescriptorProto': (Buffer)[];
}
