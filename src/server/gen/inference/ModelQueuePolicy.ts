// Original file: proto/inference/model_config.proto

import type { Long } from '@grpc/proto-loader';

// Original file: proto/inference/model_config.proto

/**
 * What happens to a request that waited too long.
 */
export const _inference_ModelQueuePolicy_TimeoutAction = {
  /**
   * It fails.
   */
  REJECT: 'REJECT',
  /**
   * It is served after all others.
   */
  DELAY: 'DELAY',
} as const;

/**
 * What happens to a request that waited too long.
 */
export type _inference_ModelQueuePolicy_TimeoutAction =
  /**
   * It fails.
   */
  | 'REJECT'
  | 0
  /**
   * It is served after all others.
   */
  | 'DELAY'
  | 1

/**
 * What happens to a request that waited too long.
 */
export type _inference_ModelQueuePolicy_TimeoutAction__Output = typeof _inference_ModelQueuePolicy_TimeoutAction[keyof typeof _inference_ModelQueuePolicy_TimeoutAction]

/**
 * How long a request may wait.
 */
export interface ModelQueuePolicy {
  /**
   * What happens to a request that waited too long.
   */
  'timeoutAction'?: (_inference_ModelQueuePolicy_TimeoutAction);
  /**
   * Time for requests that name none, microseconds; 0 is for ever.
   */
  'defaultTimeoutMicroseconds'?: (number | string | Long);
  /**
   * Requests may name their own.
   */
  'allowTimeoutOverride'?: (boolean);
  /**
   * Most requests that wait; 0 is any number.
   */
  'maxQueueSize'?: (number);
}

/**
 * How long a request may wait.
 */
export interface ModelQueuePolicy__Output {
  /**
   * What happens to a request that waited too long.
   */
  'timeoutAction': (_inference_ModelQueuePolicy_TimeoutAction__Output);
  /**
   * Time for requests that name none, microseconds; 0 is for ever.
   */
  'defaultTimeoutMicroseconds': (number);
  /**
   * Requests may name their own.
   */
  'allowTimeoutOverride': (boolean);
  /**
   * Most requests that wait; 0 is any number.
   */
  'maxQueueSize': (number);
}
