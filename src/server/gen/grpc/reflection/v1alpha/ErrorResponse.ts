// Original file: proto/grpc/reflection/v1alpha/reflection.proto


/**
 * Why there is no answer.
 */
export interface ErrorResponse {
  /**
   * A gRPC status.
   */
  'errorCode'?: (number);
  /**
   * In words.
   */
  'errorMessage'?: (string);
}

/**
 * Why there is no answer.
 */
export interface ErrorResponse__Output {
  /**
   * A gRPC status.
   */
  'errorCode': (number);
  /**
   * In words.
   */
  'errorMessage': (string);
}
