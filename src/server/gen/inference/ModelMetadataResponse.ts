// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One tensor that a model takes or gives.
 */
export interface _inference_ModelMetadataResponse_TensorMetadata {
  /**
   * Name of the tensor.
   */
  'name'?: (string);
  /**
   * Type of its elements, for example FP32.
   */
  'datatype'?: (string);
  /**
   * Its sizes; -1 is any.
   */
  'shape'?: (number | string | Long)[];
}

/**
 * One tensor that a model takes or gives.
 */
export interface _inference_ModelMetadataResponse_TensorMetadata__Output {
  /**
   * Name of the tensor.
   */
  'name': (string);
  /**
   * Type of its elements, for example FP32.
   */
  'datatype': (string);
  /**
   * Its sizes; -1 is any.
   */
  'shape': (number)[];
}

export interface ModelMetadataResponse {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Versions that can be asked for.
   */
  'versions'?: (string)[];
  /**
   * What runs it.
   */
  'platform'?: (string);
  /**
   * Tensors it takes.
   */
  'inputs'?: (_inference_ModelMetadataResponse_TensorMetadata)[];
  /**
   * Tensors it gives.
   */
  'outputs'?: (_inference_ModelMetadataResponse_TensorMetadata)[];
}

export interface ModelMetadataResponse__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Versions that can be asked for.
   */
  'versions': (string)[];
  /**
   * What runs it.
   */
  'platform': (string);
  /**
   * Tensors it takes.
   */
  'inputs': (_inference_ModelMetadataResponse_TensorMetadata__Output)[];
  /**
   * Tensors it gives.
   */
  'outputs': (_inference_ModelMetadataResponse_TensorMetadata__Output)[];
}
