// Original file: proto/athanor/v1/job.proto

import type { Long } from '@grpc/proto-loader';

/**
 * What one step of a recipe did.
 */
export interface StepReport {
  /**
   * Its method.
   */
  'method'?: (string);
  /**
   * Bytes of the parameters that it touched, before.
   */
  'storedBytesBefore'?: (number | string | Long);
  /**
   * Bytes afterwards.
   */
  'storedBytesAfter'?: (number | string | Long);
  /**
   * What a reader should know of the whole step; may be empty.
   */
  'note'?: (string);
}

/**
 * What one step of a recipe did.
 */
export interface StepReport__Output {
  /**
   * Its method.
   */
  'method': (string);
  /**
   * Bytes of the parameters that it touched, before.
   */
  'storedBytesBefore': (number);
  /**
   * Bytes afterwards.
   */
  'storedBytesAfter': (number);
  /**
   * What a reader should know of the whole step; may be empty.
   */
  'note': (string);
}
