// Original file: proto/athanor/v1/inference.proto


/**
 * One of them.
 */
export interface MaskCandidate {
  /**
   * Token id.
   */
  'tokenId'?: (number);
  /**
   * Its text.
   */
  'token'?: (string);
  /**
   * 0..1.
   */
  'probability'?: (number | string);
  /**
   * The whole text with this token in place of this mask.
   */
  'text'?: (string);
}

/**
 * One of them.
 */
export interface MaskCandidate__Output {
  /**
   * Token id.
   */
  'tokenId': (number);
  /**
   * Its text.
   */
  'token': (string);
  /**
   * 0..1.
   */
  'probability': (number);
  /**
   * The whole text with this token in place of this mask.
   */
  'text': (string);
}
