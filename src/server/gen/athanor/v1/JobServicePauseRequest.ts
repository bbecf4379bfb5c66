// Original file: proto/athanor/v1/job.proto


export interface JobServicePauseRequest {
  /**
   * The job. One that waits, or one of a kind that keeps checkpoints.
   */
  'jobId'?: (string);
}

export interface JobServicePauseRequest__Output {
  /**
   * The job. One that waits, or one of a kind that keeps checkpoints.
   */
  'jobId': (string);
}
