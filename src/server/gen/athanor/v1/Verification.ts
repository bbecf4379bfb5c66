// Original file: proto/athanor/v1/job.proto


/**
 * A fresh process loaded the stored result, ran it on fixed tokens, and its logits were compared with those of the process that made it. Only then
 * was the result stored under its name; otherwise the job fails with verification_failed.
 */
export interface Verification {
  /**
   * Tokens that both ran.
   */
  'tokens'?: (number);
  /**
   * Largest difference of a logit, relative to the largest logit of its token.
   */
  'maxRelativeDifference'?: (number | string);
  /**
   * The difference that is allowed.
   */
  'tolerance'?: (number | string);
  /**
   * Time that it took, milliseconds.
   */
  'elapsedMs'?: (number | string);
}

/**
 * A fresh process loaded the stored result, ran it on fixed tokens, and its logits were compared with those of the process that made it. Only then
 * was the result stored under its name; otherwise the job fails with verification_failed.
 */
export interface Verification__Output {
  /**
   * Tokens that both ran.
   */
  'tokens': (number);
  /**
   * Largest difference of a logit, relative to the largest logit of its token.
   */
  'maxRelativeDifference': (number);
  /**
   * The difference that is allowed.
   */
  'tolerance': (number);
  /**
   * Time that it took, milliseconds.
   */
  'elapsedMs': (number);
}
