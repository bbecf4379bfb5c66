// Original file: proto/athanor/v1/job.proto


export interface JobServiceResumeRequest {
  /**
   * The job.
   */
  'jobId'?: (string);
}

export interface JobServiceResumeRequest__Output {
  /**
   * The job.
   */
  'jobId': (string);
}
