// Original file: proto/athanor/v1/teacher.proto


/**
 * How MiniLLM draws. Fields that are absent take the default in the comment.
 */
export interface PolicyGradient {
  /**
   * The teacher's share in the probability of each drawn token, 0 <= share < 1; importance weights make up for it. Default 0.2.
   */
  'teacherShare'?: (number | string);
  '_teacherShare'?: "teacherShare";
}

/**
 * How MiniLLM draws. Fields that are absent take the default in the comment.
 */
export interface PolicyGradient__Output {
  /**
   * The teacher's share in the probability of each drawn token, 0 <= share < 1; importance weights make up for it. Default 0.2.
   */
  'teacherShare'?: (number);
  '_teacherShare'?: "teacherShare";
}
