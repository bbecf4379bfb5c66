// Original file: proto/athanor/v1/inference.proto

import type { TextPair as _athanor_v1_TextPair, TextPair__Output as _athanor_v1_TextPair__Output } from '../../athanor/v1/TextPair.ts';

export interface ClassifyRequest {
  /**
   * Name of the model; a classifier.
   */
  'model'?: (string);
  /**
   * What to classify; at least one.
   */
  'inputs'?: (_athanor_v1_TextPair)[];
}

export interface ClassifyRequest__Output {
  /**
   * Name of the model; a classifier.
   */
  'model': (string);
  /**
   * What to classify; at least one.
   */
  'inputs': (_athanor_v1_TextPair__Output)[];
}
