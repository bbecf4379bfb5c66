// Original file: proto/grpc/reflection/v1alpha/reflection.proto


/**
 * An extension of a message.
 */
export interface ExtensionRequest {
  /**
   * Full name of the message.
   */
  'containingType'?: (string);
  /**
   * Number of the field.
   */
  'extensionNumber'?: (number);
}

/**
 * An extension of a message.
 */
export interface ExtensionRequest__Output {
  /**
   * Full name of the message.
   */
  'containingType': (string);
  /**
   * Number of the field.
   */
  'extensionNumber': (number);
}
