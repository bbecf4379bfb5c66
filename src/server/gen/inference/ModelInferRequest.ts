// Original file: proto/inference/grpc_service.proto

import type { InferParameter as _inference_InferParameter, InferParameter__Output as _inference_InferParameter__Output } from '../inference/InferParameter.ts';
import type { InferTensorContents as _inference_InferTensorContents, InferTensorContents__Output as _inference_InferTensorContents__Output } from '../inference/InferTensorContents.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One tensor that is sent.
 */
export interface _inference_ModelInferRequest_InferInputTensor {
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
   * Its elements, unless they are in raw_input_contents.
   */
  'contents'?: (_inference_InferTensorContents | null);
}

/**
 * One tensor that is sent.
 */
export interface _inference_ModelInferRequest_InferInputTensor__Output {
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
   * Its elements, unless they are in raw_input_contents.
   */
  'contents': (_inference_InferTensorContents__Output | null);
}

/**
 * One tensor that is wanted.
 */
export interface _inference_ModelInferRequest_InferRequestedOutputTensor {
  /**
   * Name of the tensor.
   */
  'name'?: (string);
  /**
   * Values that belong to it.
   */
  'parameters'?: ({[key: string]: _inference_InferParameter});
}

/**
 * One tensor that is wanted.
 */
export interface _inference_ModelInferRequest_InferRequestedOutputTensor__Output {
  /**
   * Name of the tensor.
   */
  'name': (string);
  /**
   * Values that belong to it.
   */
  'parameters': ({[key: string]: _inference_InferParameter__Output});
}

export interface ModelInferRequest {
  /**
   * Name of the model.
   */
  'modelName'?: (string);
  /**
   * Number of the version; empty is the newest.
   */
  'modelVersion'?: (string);
  /**
   * Comes back with the answer.
   */
  'id'?: (string);
  /**
   * Values beside the tensors.
   */
  'parameters'?: ({[key: string]: _inference_InferParameter});
  /**
   * Tensors that are sent.
   */
  'inputs'?: (_inference_ModelInferRequest_InferInputTensor)[];
  /**
   * Tensors that are wanted; none asks for all.
   */
  'outputs'?: (_inference_ModelInferRequest_InferRequestedOutputTensor)[];
  /**
   * Elements of the inputs, in their order: little-endian, row-major, without gaps.
   */
  'rawInputContents'?: (Buffer | Uint8Array | string)[];
}

export interface ModelInferRequest__Output {
  /**
   * Name of the model.
   */
  'modelName': (string);
  /**
   * Number of the version; empty is the newest.
   */
  'modelVersion': (string);
  /**
   * Comes back with the answer.
   */
  'id': (string);
  /**
   * Values beside the tensors.
   */
  'parameters': ({[key: string]: _inference_InferParameter__Output});
  /**
   * Tensors that are sent.
   */
  'inputs': (_inference_ModelInferRequest_InferInputTensor__Output)[];
  /**
   * Tensors that are wanted; none asks for all.
   */
  'outputs': (_inference_ModelInferRequest_InferRequestedOutputTensor__Output)[];
  /**
   * Elements of the inputs, in their order: little-endian, row-major, without gaps.
   */
  'rawInputContents': (Buffer)[];
}
