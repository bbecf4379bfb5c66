// Original file: proto/athanor/v1/job.proto


export interface JobServiceRetryRequest {
  /**
   * The job, FAILED or CANCELLED; it stays as it is.
   */
  'jobId'?: (string);
  /**
   * Begin anew in place of going on from the checkpoint.
   */
  'fresh'?: (boolean);
}

export interface JobServiceRetryRequest__Output {
  /**
   * The job, FAILED or CANCELLED; it stays as it is.
   */
  'jobId': (string);
  /**
   * Begin anew in place of going on from the checkpoint.
   */
  'fresh': (boolean);
}
