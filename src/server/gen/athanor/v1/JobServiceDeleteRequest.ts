// Original file: proto/athanor/v1/job.proto


export interface JobServiceDeleteRequest {
  /**
   * The job.
   */
  'jobId'?: (string);
}

export interface JobServiceDeleteRequest__Output {
  /**
   * The job.
   */
  'jobId': (string);
}
