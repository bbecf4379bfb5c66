// Original file: proto/athanor/v1/compression_report.proto

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
  /**
   * Place of the step in the recipe, from 0.
   */
  'step'?: (number);
  /**
   * Error of the weights, relative to the norm of those before the step.
   */
  'weightError'?: (number | string);
  /**
   * Error of the layer's outputs on the calibration text; absent where the method did not look at any.
   */
  'outputError'?: (number | string);
  /**
   * Weight error of the step before that touched the parameter; 0 for the first.
   */
  'errorBefore'?: (number | string);
  /**
   * Why a parameter was left as it is, or what else a reader should know; may be empty.
   */
  'note'?: (string);
  '_rank'?: "rank";
  '_outputError'?: "outputError";
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
  /**
   * Place of the step in the recipe, from 0.
   */
  'step': (number);
  /**
   * Error of the weights, relative to the norm of those before the step.
   */
  'weightError': (number);
  /**
   * Error of the layer's outputs on the calibration text; absent where the method did not look at any.
   */
  'outputError'?: (number);
  /**
   * Weight error of the step before that touched the parameter; 0 for the first.
   */
  'errorBefore': (number);
  /**
   * Why a parameter was left as it is, or what else a reader should know; may be empty.
   */
  'note': (string);
  '_rank'?: "rank";
  '_outputError'?: "outputError";
}
