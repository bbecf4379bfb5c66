// Original file: proto/athanor/v1/model.proto

import type { StoredTensor as _athanor_v1_StoredTensor, StoredTensor__Output as _athanor_v1_StoredTensor__Output } from '../../athanor/v1/StoredTensor.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One logical parameter and how it is stored.
 */
export interface ParameterInfo {
  /**
   * For example "h.3.attn.qkv.weight".
   */
  'path'?: (string);
  /**
   * "dense", "lowRank", ...
   */
  'parametrization'?: (string);
  /**
   * Shape of the dense tensor it stands for.
   */
  'shape'?: (number | string | Long)[];
  /**
   * Settings of the parametrization, for example {"rank": 64}.
   */
  'settings'?: ({[key: string]: string});
  /**
   * Bytes over its stored tensors; 0 where they are another parameter's.
   */
  'storedBytes'?: (number | string | Long);
  /**
   * Its stored tensors.
   */
  'tensors'?: (_athanor_v1_StoredTensor)[];
}

/**
 * One logical parameter and how it is stored.
 */
export interface ParameterInfo__Output {
  /**
   * For example "h.3.attn.qkv.weight".
   */
  'path': (string);
  /**
   * "dense", "lowRank", ...
   */
  'parametrization': (string);
  /**
   * Shape of the dense tensor it stands for.
   */
  'shape': (number)[];
  /**
   * Settings of the parametrization, for example {"rank": 64}.
   */
  'settings': ({[key: string]: string});
  /**
   * Bytes over its stored tensors; 0 where they are another parameter's.
   */
  'storedBytes': (number);
  /**
   * Its stored tensors.
   */
  'tensors': (_athanor_v1_StoredTensor__Output)[];
}
