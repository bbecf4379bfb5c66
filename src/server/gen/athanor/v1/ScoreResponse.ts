// Original file: proto/athanor/v1/inference.proto

import type { Score as _athanor_v1_Score, Score__Output as _athanor_v1_Score__Output } from '../../athanor/v1/Score.ts';

export interface ScoreResponse {
  /**
   * One for each pair, in order.
   */
  'scores'?: (_athanor_v1_Score)[];
}

export interface ScoreResponse__Output {
  /**
   * One for each pair, in order.
   */
  'scores': (_athanor_v1_Score__Output)[];
}
