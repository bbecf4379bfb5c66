// Original file: proto/athanor/v1/inference.proto


/**
 * Some of the rows. Numbers are little-endian and lie one behind the other, row after row.
 */
export interface DistributionsResponse {
  /**
   * Rows in this message.
   */
  'rows'?: (number);
  /**
   * Answers that there are of a row: tokens or labels.
   */
  'choices'?: (number);
  /**
   * With top_k: 32-bit ids, top_k of a row, likeliest first.
   */
  'ids'?: (Buffer | Uint8Array | string);
  /**
   * Natural logarithms of probabilities: with top_k single precision for each of the ids, otherwise half precision for every answer.
   */
  'logProbabilities'?: (Buffer | Uint8Array | string);
  /**
   * With top_k: in single precision, the natural logarithm of the probability of all others together; -87 where there is none.
   */
  'logTails'?: (Buffer | Uint8Array | string);
}

/**
 * Some of the rows. Numbers are little-endian and lie one behind the other, row after row.
 */
export interface DistributionsResponse__Output {
  /**
   * Rows in this message.
   */
  'rows': (number);
  /**
   * Answers that there are of a row: tokens or labels.
   */
  'choices': (number);
  /**
   * With top_k: 32-bit ids, top_k of a row, likeliest first.
   */
  'ids': (Buffer);
  /**
   * Natural logarithms of probabilities: with top_k single precision for each of the ids, otherwise half precision for every answer.
   */
  'logProbabilities': (Buffer);
  /**
   * With top_k: in single precision, the natural logarithm of the probability of all others together; -87 where there is none.
   */
  'logTails': (Buffer);
}
