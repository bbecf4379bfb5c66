// Original file: proto/athanor/v1/job.proto


export interface JobServiceGetRequest {
  /**
   * The job.
   */
  'jobId'?: (string);
}

export interface JobServiceGetRequest__Output {
  /**
   * The job.
   */
  'jobId': (string);
}
