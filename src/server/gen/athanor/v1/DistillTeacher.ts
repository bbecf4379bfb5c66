// Original file: proto/athanor/v1/losses.proto


/**
 * One of several teachers.
 */
export interface DistillTeacher {
  /**
   * A stored model.
   */
  'model'?: (string);
  /**
   * Only its share in the sum of the weights matters. Default 1.
   */
  'weight'?: (number | string);
  '_model'?: "model";
  '_weight'?: "weight";
}

/**
 * One of several teachers.
 */
export interface DistillTeacher__Output {
  /**
   * A stored model.
   */
  'model'?: (string);
  /**
   * Only its share in the sum of the weights matters. Default 1.
   */
  'weight'?: (number);
  '_model'?: "model";
  '_weight'?: "weight";
}
