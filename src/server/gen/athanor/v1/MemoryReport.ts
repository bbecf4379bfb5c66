// Original file: proto/athanor/v1/compression_report.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Memory of the process that did a job.
 */
export interface MemoryReport {
  /**
   * What was expected before the start, what the process held already included.
   */
  'estimatedPeakBytes'?: (number | string | Long);
  /**
   * What was measured.
   */
  'peakBytes'?: (number | string | Long);
  /**
   * What the process may hold; a job that needs more is refused with insufficient_memory.
   */
  'limitBytes'?: (number | string | Long);
  /**
   * The part of the work that was expected to need most.
   */
  'phase'?: (string);
}

/**
 * Memory of the process that did a job.
 */
export interface MemoryReport__Output {
  /**
   * What was expected before the start, what the process held already included.
   */
  'estimatedPeakBytes': (number);
  /**
   * What was measured.
   */
  'peakBytes': (number);
  /**
   * What the process may hold; a job that needs more is refused with insufficient_memory.
   */
  'limitBytes': (number);
  /**
   * The part of the work that was expected to need most.
   */
  'phase': (string);
}
