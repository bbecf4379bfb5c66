// Original file: proto/athanor/v1/job.proto

/**
 * Where a job is.
 */
export const JobState = {
  /**
   * Never sent.
   */
  JOB_STATE_UNSPECIFIED: 'JOB_STATE_UNSPECIFIED',
  /**
   * Waits for the device.
   */
  JOB_STATE_QUEUED: 'JOB_STATE_QUEUED',
  /**
   * Works.
   */
  JOB_STATE_RUNNING: 'JOB_STATE_RUNNING',
  /**
   * Was put aside, and goes on when it is resumed.
   */
  JOB_STATE_PAUSED: 'JOB_STATE_PAUSED',
  /**
   * Was asked to stop and has not stopped yet.
   */
  JOB_STATE_CANCELLING: 'JOB_STATE_CANCELLING',
  /**
   * Ended with a result.
   */
  JOB_STATE_SUCCEEDED: 'JOB_STATE_SUCCEEDED',
  /**
   * Ended with an error.
   */
  JOB_STATE_FAILED: 'JOB_STATE_FAILED',
  /**
   * Ended because it was asked to.
   */
  JOB_STATE_CANCELLED: 'JOB_STATE_CANCELLED',
} as const;

/**
 * Where a job is.
 */
export type JobState =
  /**
   * Never sent.
   */
  | 'JOB_STATE_UNSPECIFIED'
  | 0
  /**
   * Waits for the device.
   */
  | 'JOB_STATE_QUEUED'
  | 1
  /**
   * Works.
   */
  | 'JOB_STATE_RUNNING'
  | 2
  /**
   * Was put aside, and goes on when it is resumed.
   */
  | 'JOB_STATE_PAUSED'
  | 3
  /**
   * Was asked to stop and has not stopped yet.
   */
  | 'JOB_STATE_CANCELLING'
  | 4
  /**
   * Ended with a result.
   */
  | 'JOB_STATE_SUCCEEDED'
  | 5
  /**
   * Ended with an error.
   */
  | 'JOB_STATE_FAILED'
  | 6
  /**
   * Ended because it was asked to.
   */
  | 'JOB_STATE_CANCELLED'
  | 7

/**
 * Where a job is.
 */
export type JobState__Output = typeof JobState[keyof typeof JobState]
