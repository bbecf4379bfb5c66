// Original file: proto/athanor/v1/inference.proto

/**
 * Why a generation ended.
 */
export const FinishReason = {
  /**
   * It has not ended yet.
   */
  FINISH_REASON_UNSPECIFIED: 'FINISH_REASON_UNSPECIFIED',
  /**
   * The model's end token.
   */
  FINISH_REASON_END: 'FINISH_REASON_END',
  /**
   * One of the stop texts.
   */
  FINISH_REASON_STOP: 'FINISH_REASON_STOP',
  /**
   * As many tokens as were asked for, or as the model has positions.
   */
  FINISH_REASON_LENGTH: 'FINISH_REASON_LENGTH',
} as const;

/**
 * Why a generation ended.
 */
export type FinishReason =
  /**
   * It has not ended yet.
   */
  | 'FINISH_REASON_UNSPECIFIED'
  | 0
  /**
   * The model's end token.
   */
  | 'FINISH_REASON_END'
  | 1
  /**
   * One of the stop texts.
   */
  | 'FINISH_REASON_STOP'
  | 2
  /**
   * As many tokens as were asked for, or as the model has positions.
   */
  | 'FINISH_REASON_LENGTH'
  | 3

/**
 * Why a generation ended.
 */
export type FinishReason__Output = typeof FinishReason[keyof typeof FinishReason]
