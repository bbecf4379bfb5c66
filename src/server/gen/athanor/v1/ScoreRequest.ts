// Original file: proto/athanor/v1/inference.proto

import type { ScorePair as _athanor_v1_ScorePair, ScorePair__Output as _athanor_v1_ScorePair__Output } from '../../athanor/v1/ScorePair.ts';

export interface ScoreRequest {
  /**
   * Name of the model.
   */
  'model'?: (string);
  /**
   * What to score.
   */
  'pairs'?: (_athanor_v1_ScorePair)[];
}

export interface ScoreRequest__Output {
  /**
   * Name of the model.
   */
  'model': (string);
  /**
   * What to score.
   */
  'pairs': (_athanor_v1_ScorePair__Output)[];
}
