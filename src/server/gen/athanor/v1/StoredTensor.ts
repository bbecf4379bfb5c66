// Original file: proto/athanor/v1/model.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One tensor of an artefact.
 */
export interface StoredTensor {
  /**
   * Name in the safetensors file.
   */
  'name'?: (string);
  /**
   * "float32", "float16", "bfloat16", ...
   */
  'dtype'?: (string);
  /**
   * Sizes of its dimensions.
   */
  'shape'?: (number | string | Long)[];
}

/**
 * One tensor of an artefact.
 */
export interface StoredTensor__Output {
  /**
   * Name in the safetensors file.
   */
  'name': (string);
  /**
   * "float32", "float16", "bfloat16", ...
   */
  'dtype': (string);
  /**
   * Sizes of its dimensions.
   */
  'shape': (number)[];
}
