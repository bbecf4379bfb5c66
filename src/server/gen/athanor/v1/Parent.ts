// Original file: proto/athanor/v1/model.proto


/**
 * A model that another was made from.
 */
export interface Parent {
  /**
   * Content hash.
   */
  'hash'?: (string);
  /**
   * "source", "teacher" or "import".
   */
  'role'?: (string);
}

/**
 * A model that another was made from.
 */
export interface Parent__Output {
  /**
   * Content hash.
   */
  'hash': (string);
  /**
   * "source", "teacher" or "import".
   */
  'role': (string);
}
