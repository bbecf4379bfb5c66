// Original file: proto/athanor/v1/job.proto


export interface JobServiceForgetRequest {
  /**
   * The job.
   */
  'jobId'?: (string);
}

export interface JobServiceForgetRequest__Output {
  /**
   * The job.
   */
  'jobId': (string);
}
