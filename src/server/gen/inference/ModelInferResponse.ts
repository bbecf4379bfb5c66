// Original file: proto/inference/grpc_service.proto

import type { InferParameter as _inference_InferParameter, InferParameter__Output as _inference_InferParameter__Output } from '../inference/InferParameter.ts';
import type { InferTensorContents as _inference_InferTensorContents, InferTensorContents__Output as _inference_InferTensorContents__Output } from '../inference/InferTensorContents.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One tensor of the answer.
 */
export interface _inference_ModelInferResponse_InferOutputTensor {
  /**
   * Name of the tensor.
   */
  'name'?: (string);
  /**
   * Type of its elements.
   */
  'datatype'?: (string);
  /**
   * Its sizes.
   */
  'shape'?: (number | string | Long)[];
  /**
   * Values that belong to it.
   */
  'parameters'?: ({[key: string]: _inference_InferParameter});
  /**
   * Not used: elements are always raw.
   */
  'contents'?: (_inference_InferTensorContents | null);
}

/**
 * One tensor of the answer.
 */
export interface _inference_ModelInferResponse_InferOutputTensor__Output {
  /**
   * Name of the tensor.
   */
  'name': (string);
  /**
   * Type of its elements.
   */
  'datatype': (string);
  /**
   * Its sizes.
   */
  'shape': (number)[];
  /**
   * Values that belong to it.
   */
  'parameters': ({[key: string]: _inference_InferParameter__Output});
  /**
   * Not used: elements are always raw.
   */
  'contents': (_inference_InferTensorContents__Output | null);
}

export interface ModelInferResponse {
  /**
   * Name of the model.
   */
  'modelName'?: (string);
  /**
   * Version that answered.
   */
  'modelVersion'?: (string);
  /**
   * That of the request.
   */
  'id'?: (string);
  /**
   * Values beside the tensors.
   */
  'parameters'?: ({[key: string]: _inference_InferParameter});
  /**
   * Tensors of the answer.
   */
  'outputs'?: (_inference_ModelInferResponse_InferOutputTensor)[];
  /**
   * Their elements, in their order.
   */
  'rawOutputContents'?: (Buffer | Uint8Array | string)[];
}

export interface ModelInferResponse__Output {
  /**
   * Name of the model.
   */
  'modelName': (string);
  /**
   * Version that answered.
   */
  'modelVersion': (string);
  /**
   * That of the request.
   */
  'id': (string);
  /**
   * Values beside the tensors.
   */
  'parameters': ({[key: string]: _inference_InferParameter__Output});
  /**
   * Tensors of the answer.
   */
  'outputs': (_inference_ModelInferResponse_InferOutputTensor__Output)[];
  /**
   * Their elements, in their order.
   */
  'rawOutputContents': (Buffer)[];
}
