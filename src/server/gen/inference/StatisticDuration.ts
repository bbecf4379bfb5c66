// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * How often something happened, and how long it took altogether.
 */
export interface StatisticDuration {
  /**
   * How often.
   */
  'count'?: (number | string | Long);
  /**
   * Altogether, nanoseconds.
   */
  'ns'?: (number | string | Long);
}

/**
 * How often something happened, and how long it took altogether.
 */
export interface StatisticDuration__Output {
  /**
   * How often.
   */
  'count': (number);
  /**
   * Altogether, nanoseconds.
   */
  'ns': (number);
}
