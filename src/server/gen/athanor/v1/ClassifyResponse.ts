// Original file: proto/athanor/v1/inference.proto

import type { Classification as _athanor_v1_Classification, Classification__Output as _athanor_v1_Classification__Output } from '../../athanor/v1/Classification.ts';

export interface ClassifyResponse {
  /**
   * Names of the labels, in the order of the probabilities.
   */
  'labels'?: (string)[];
  /**
   * One for each input, in order.
   */
  'results'?: (_athanor_v1_Classification)[];
}

export interface ClassifyResponse__Output {
  /**
   * Names of the labels, in the order of the probabilities.
   */
  'labels': (string)[];
  /**
   * One for each input, in order.
   */
  'results': (_athanor_v1_Classification__Output)[];
}
