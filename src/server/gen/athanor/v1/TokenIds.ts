// Original file: proto/athanor/v1/inference.proto


/**
 * Token ids.
 */
export interface TokenIds {
  /**
   * In order.
   */
  'ids'?: (number)[];
}

/**
 * Token ids.
 */
export interface TokenIds__Output {
  /**
   * In order.
   */
  'ids': (number)[];
}
