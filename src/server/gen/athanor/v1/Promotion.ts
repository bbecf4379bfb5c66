// Original file: proto/athanor/v1/model.proto

import type { Thresholds as _athanor_v1_Thresholds, Thresholds__Output as _athanor_v1_Thresholds__Output } from '../../athanor/v1/Thresholds.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One change of what a stable name stands for.
 */
export interface Promotion {
  /**
   * The stable name.
   */
  'alias'?: (string);
  /**
   * 1, 2, 3 and so on within the name; the newest holds.
   */
  'sequence'?: (number);
  /**
   * The version, as name@version.
   */
  'model'?: (string);
  /**
   * Content hash of the version.
   */
  'hash'?: (string);
  /**
   * What it was held against.
   */
  'thresholds'?: (_athanor_v1_Thresholds | null);
  /**
   * The measured figures.
   */
  'figures'?: ({[key: string]: number | string});
  /**
   * The earlier promotion that this one went back to; 0 for none.
   */
  'rollbackTo'?: (number);
  /**
   * Who did it; empty where the server does not ask.
   */
  'principal'?: (string);
  /**
   * When, milliseconds since 1970.
   */
  'timeMs'?: (number | string | Long);
}

/**
 * One change of what a stable name stands for.
 */
export interface Promotion__Output {
  /**
   * The stable name.
   */
  'alias': (string);
  /**
   * 1, 2, 3 and so on within the name; the newest holds.
   */
  'sequence': (number);
  /**
   * The version, as name@version.
   */
  'model': (string);
  /**
   * Content hash of the version.
   */
  'hash': (string);
  /**
   * What it was held against.
   */
  'thresholds': (_athanor_v1_Thresholds__Output | null);
  /**
   * The measured figures.
   */
  'figures': ({[key: string]: number});
  /**
   * The earlier promotion that this one went back to; 0 for none.
   */
  'rollbackTo': (number);
  /**
   * Who did it; empty where the server does not ask.
   */
  'principal': (string);
  /**
   * When, milliseconds since 1970.
   */
  'timeMs': (number);
}
