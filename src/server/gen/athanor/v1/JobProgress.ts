// Original file: proto/athanor/v1/job.proto

import type { Long } from '@grpc/proto-loader';

/**
 * How far a job is.
 */
export interface JobProgress {
  /**
   * What is being done, for example "distill" or "low rank".
   */
  'phase'?: (string);
  /**
   * Steps done in this phase.
   */
  'step'?: (number | string | Long);
  /**
   * Steps of this phase; 0 when unknown.
   */
  'total'?: (number | string | Long);
  /**
   * Time left in this phase, milliseconds; absent when unknown.
   */
  'etaMs'?: (number | string);
  /**
   * A finer place, for example a parameter path.
   */
  'item'?: (string);
  /**
   * For example loss, learningRate, relativeError, tokensPerSecond, residentBytes.
   */
  'metrics'?: ({[key: string]: number | string});
  /**
   * Time since the phase began, milliseconds.
   */
  'elapsedMs'?: (number | string);
  '_etaMs'?: "etaMs";
}

/**
 * How far a job is.
 */
export interface JobProgress__Output {
  /**
   * What is being done, for example "distill" or "low rank".
   */
  'phase': (string);
  /**
   * Steps done in this phase.
   */
  'step': (number);
  /**
   * Steps of this phase; 0 when unknown.
   */
  'total': (number);
  /**
   * Time left in this phase, milliseconds; absent when unknown.
   */
  'etaMs'?: (number);
  /**
   * A finer place, for example a parameter path.
   */
  'item': (string);
  /**
   * For example loss, learningRate, relativeError, tokensPerSecond, residentBytes.
   */
  'metrics': ({[key: string]: number});
  /**
   * Time since the phase began, milliseconds.
   */
  'elapsedMs': (number);
  '_etaMs'?: "etaMs";
}
