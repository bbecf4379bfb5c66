// Original file: proto/athanor/v1/losses.proto


/**
 * A layer of the student and the one that it learns from; from 0, or from the last as -1, -2, and so on.
 */
export interface LayerPair {
  /**
   * Default 0.
   */
  'student'?: (number);
  /**
   * Default 0.
   */
  'teacher'?: (number);
  '_student'?: "student";
  '_teacher'?: "teacher";
}

/**
 * A layer of the student and the one that it learns from; from 0, or from the last as -1, -2, and so on.
 */
export interface LayerPair__Output {
  /**
   * Default 0.
   */
  'student'?: (number);
  /**
   * Default 0.
   */
  'teacher'?: (number);
  '_student'?: "student";
  '_teacher'?: "teacher";
}
