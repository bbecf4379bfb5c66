// Original file: proto/athanor/v1/inference.proto

import type { FinishReason as _athanor_v1_FinishReason, FinishReason__Output as _athanor_v1_FinishReason__Output } from '../../athanor/v1/FinishReason.ts';
import type { Usage as _athanor_v1_Usage, Usage__Output as _athanor_v1_Usage__Output } from '../../athanor/v1/Usage.ts';

export interface GenerateResponse {
  /**
   * The next piece of text; may be empty where a character is not complete yet.
   */
  'text'?: (string);
  /**
   * Token ids generated since the last message.
   */
  'tokenIds'?: (number)[];
  /**
   * Set in the last message only.
   */
  'finishReason'?: (_athanor_v1_FinishReason);
  /**
   * Set in the last message only.
   */
  'usage'?: (_athanor_v1_Usage | null);
}

export interface GenerateResponse__Output {
  /**
   * The next piece of text; may be empty where a character is not complete yet.
   */
  'text': (string);
  /**
   * Token ids generated since the last message.
   */
  'tokenIds': (number)[];
  /**
   * Set in the last message only.
   */
  'finishReason': (_athanor_v1_FinishReason__Output);
  /**
   * Set in the last message only.
   */
  'usage': (_athanor_v1_Usage__Output | null);
}
