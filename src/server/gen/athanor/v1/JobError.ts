// Original file: proto/athanor/v1/job.proto


/**
 * A named error.
 */
export interface JobError {
  /**
   * Code of the error catalogue, for example "bad_recipe".
   */
  'code'?: (string);
  /**
   * Place, values and remedy.
   */
  'message'?: (string);
  /**
   * The values behind the message.
   */
  'details'?: ({[key: string]: string});
}

/**
 * A named error.
 */
export interface JobError__Output {
  /**
   * Code of the error catalogue, for example "bad_recipe".
   */
  'code': (string);
  /**
   * Place, values and remedy.
   */
  'message': (string);
  /**
   * The values behind the message.
   */
  'details': ({[key: string]: string});
}
