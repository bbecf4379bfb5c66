// Original file: proto/athanor/v1/inference.proto

import type { Embedding as _athanor_v1_Embedding, Embedding__Output as _athanor_v1_Embedding__Output } from '../../athanor/v1/Embedding.ts';

export interface EmbedResponse {
  /**
   * One for each text, in order.
   */
  'embeddings'?: (_athanor_v1_Embedding)[];
}

export interface EmbedResponse__Output {
  /**
   * One for each text, in order.
   */
  'embeddings': (_athanor_v1_Embedding__Output)[];
}
