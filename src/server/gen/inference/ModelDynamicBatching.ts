// Original file: proto/inference/model_config.proto

import type { ModelQueuePolicy as _inference_ModelQueuePolicy, ModelQueuePolicy__Output as _inference_ModelQueuePolicy__Output } from '../inference/ModelQueuePolicy.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Requests are put together into batches.
 */
export interface ModelDynamicBatching {
  /**
   * Sizes that are waited for.
   */
  'preferredBatchSize'?: (number)[];
  /**
   * Longest wait for them.
   */
  'maxQueueDelayMicroseconds'?: (number | string | Long);
  /**
   * Answers keep the order of requests.
   */
  'preserveOrdering'?: (boolean);
  /**
   * Priorities that a request may name, 1 (served first) to this one.
   */
  'priorityLevels'?: (number | string | Long);
  /**
   * Priority of requests that name none.
   */
  'defaultPriorityLevel'?: (number | string | Long);
  /**
   * For every priority.
   */
  'defaultQueuePolicy'?: (_inference_ModelQueuePolicy | null);
}

/**
 * Requests are put together into batches.
 */
export interface ModelDynamicBatching__Output {
  /**
   * Sizes that are waited for.
   */
  'preferredBatchSize': (number)[];
  /**
   * Longest wait for them.
   */
  'maxQueueDelayMicroseconds': (number);
  /**
   * Answers keep the order of requests.
   */
  'preserveOrdering': (boolean);
  /**
   * Priorities that a request may name, 1 (served first) to this one.
   */
  'priorityLevels': (number);
  /**
   * Priority of requests that name none.
   */
  'defaultPriorityLevel': (number);
  /**
   * For every priority.
   */
  'defaultQueuePolicy': (_inference_ModelQueuePolicy__Output | null);
}
