// Original file: proto/athanor/v1/model.proto


/**
 * What the newest evaluation of a model must say before it is served under a stable name. Absent fields are not looked at.
 */
export interface Thresholds {
  /**
   * Largest bits per byte.
   */
  'maxBitsPerByte'?: (number | string);
  /**
   * Largest share of the teacher's bits per byte by which the model's are higher. The evaluation needs a teacher.
   */
  'maxLossIncrease'?: (number | string);
  /**
   * Smallest share of positions where the likeliest token is the teacher's: 0..1.
   */
  'minTop1Agreement'?: (number | string);
  /**
   * Largest mean KL divergence from the teacher, nats.
   */
  'maxTeacherKl'?: (number | string);
  /**
   * Smallest accuracy: 0..1.
   */
  'minAccuracy'?: (number | string);
  /**
   * Most bytes of stored tensors.
   */
  'maxStoredBytes'?: (number | string);
  '_maxBitsPerByte'?: "maxBitsPerByte";
  '_maxLossIncrease'?: "maxLossIncrease";
  '_minTop1Agreement'?: "minTop1Agreement";
  '_maxTeacherKl'?: "maxTeacherKl";
  '_minAccuracy'?: "minAccuracy";
  '_maxStoredBytes'?: "maxStoredBytes";
}

/**
 * What the newest evaluation of a model must say before it is served under a stable name. Absent fields are not looked at.
 */
export interface Thresholds__Output {
  /**
   * Largest bits per byte.
   */
  'maxBitsPerByte'?: (number);
  /**
   * Largest share of the teacher's bits per byte by which the model's are higher. The evaluation needs a teacher.
   */
  'maxLossIncrease'?: (number);
  /**
   * Smallest share of positions where the likeliest token is the teacher's: 0..1.
   */
  'minTop1Agreement'?: (number);
  /**
   * Largest mean KL divergence from the teacher, nats.
   */
  'maxTeacherKl'?: (number);
  /**
   * Smallest accuracy: 0..1.
   */
  'minAccuracy'?: (number);
  /**
   * Most bytes of stored tensors.
   */
  'maxStoredBytes'?: (number);
  '_maxBitsPerByte'?: "maxBitsPerByte";
  '_maxLossIncrease'?: "maxLossIncrease";
  '_minTop1Agreement'?: "minTop1Agreement";
  '_maxTeacherKl'?: "maxTeacherKl";
  '_minAccuracy'?: "minAccuracy";
  '_maxStoredBytes'?: "maxStoredBytes";
}
