// Original file: proto/athanor/v1/job.proto

import type { Long } from '@grpc/proto-loader';

/**
 * What a compression did to one parameter.
 */
export interface ParameterChange {
  /**
   * Path of the parameter.
   */
  'path'?: (string);
  /**
   * Parametrization afterwards.
   */
  'parametrization'?: (string);
  /**
   * Bytes before.
   */
  'storedBytesBefore'?: (number | string | Long);
  /**
   * Bytes afterwards.
   */
  'storedBytesAfter'?: (number | string | Long);
  /**
   * Error in what the step minimizes, relative to the norm of the original.
   */
  'relativeError'?: (number | string);
  /**
   * Rank that was kept; absent for methods without one.
   */
  'rank'?: (number);
  '_rank'?: "rank";
}

/**
 * What a compression did to one parameter.
 */
export interface ParameterChange__Output {
  /**
   * Path of the parameter.
   */
  'path': (string);
  /**
   * Parametrization afterwards.
   */
  'parametrization': (string);
  /**
   * Bytes before.
   */
  'storedBytesBefore': (number);
  /**
   * Bytes afterwards.
   */
  'storedBytesAfter': (number);
  /**
   * Error in what the step minimizes, relative to the norm of the original.
   */
  'relativeError': (number);
  /**
   * Rank that was kept; absent for methods without one.
   */
  'rank'?: (number);
  '_rank'?: "rank";
}
