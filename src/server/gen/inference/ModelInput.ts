// Original file: proto/inference/model_config.proto

import type { DataType as _inference_DataType, DataType__Output as _inference_DataType__Output } from '../inference/DataType.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * A tensor that a model takes.
 */
export interface ModelInput {
  /**
   * Name of the tensor.
   */
  'name'?: (string);
  /**
   * Type of its elements.
   */
  'dataType'?: (_inference_DataType);
  /**
   * Sizes of one row of a batch, or of the whole where there are no batches; -1 is any.
   */
  'dims'?: (number | string | Long)[];
  /**
   * It may be left out.
   */
  'optional'?: (boolean);
}

/**
 * A tensor that a model takes.
 */
export interface ModelInput__Output {
  /**
   * Name of the tensor.
   */
  'name': (string);
  /**
   * Type of its elements.
   */
  'dataType': (_inference_DataType__Output);
  /**
   * Sizes of one row of a batch, or of the whole where there are no batches; -1 is any.
   */
  'dims': (number)[];
  /**
   * It may be left out.
   */
  'optional': (boolean);
}
