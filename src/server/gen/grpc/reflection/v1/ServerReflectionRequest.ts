// Original file: proto/grpc/reflection/v1/reflection.proto

import type { ExtensionRequest as _grpc_reflection_v1_ExtensionRequest, ExtensionRequest__Output as _grpc_reflection_v1_ExtensionRequest__Output } from '../../../grpc/reflection/v1/ExtensionRequest.ts';

export interface ServerReflectionRequest {
  /**
   * Not used.
   */
  'host'?: (string);
  /**
   * The file of this name.
   */
  'fileByFilename'?: (string);
  /**
   * The file that declares this full name.
   */
  'fileContainingSymbol'?: (string);
  /**
   * The file that declares this extension.
   */
  'fileContainingExtension'?: (_grpc_reflection_v1_ExtensionRequest | null);
  /**
   * Numbers of all extensions of this message.
   */
  'allExtensionNumbersOfType'?: (string);
  /**
   * Names of all services; the text is not used.
   */
  'listServices'?: (string);
  /**
   * The question.
   */
  'messageRequest'?: "fileByFilename"|"fileContainingSymbol"|"fileContainingExtension"|"allExtensionNumbersOfType"|"listServices";
}

export interface ServerReflectionRequest__Output {
  /**
   * Not used.
   */
  'host': (string);
  /**
   * The file of this name.
   */
  'fileByFilename'?: (string);
  /**
   * The file that declares this full name.
   */
  'fileContainingSymbol'?: (string);
  /**
   * The file that declares this extension.
   */
  'fileContainingExtension'?: (_grpc_reflection_v1_ExtensionRequest__Output | null);
  /**
   * Numbers of all extensions of this message.
   */
  'allExtensionNumbersOfType'?: (string);
  /**
   * Names of all services; the text is not used.
   */
  'listServices'?: (string);
  /**
   * The question.
   */
  'messageRequest'?: "fileByFilename"|"fileContainingSymbol"|"fileContainingExtension"|"allExtensionNumbersOfType"|"listServices";
}
