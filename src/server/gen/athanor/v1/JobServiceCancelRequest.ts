// Original file: proto/athanor/v1/job.proto


export interface JobServiceCancelRequest {
  /**
   * The job.
   */
  'jobId'?: (string);
}

export interface JobServiceCancelRequest__Output {
  /**
   * The job.
   */
  'jobId': (string);
}
