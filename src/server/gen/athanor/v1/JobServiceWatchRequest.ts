// Original file: proto/athanor/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface JobServiceWatchRequest {
  /**
   * The job.
   */
  'jobId'?: (string);
  /**
   * First sequence number wanted; 0 and 1 mean from the beginning.
   */
  'fromSequence'?: (number | string | Long);
}

export interface JobServiceWatchRequest__Output {
  /**
   * The job.
   */
  'jobId': (string);
  /**
   * First sequence number wanted; 0 and 1 mean from the beginning.
   */
  'fromSequence': (number);
}
