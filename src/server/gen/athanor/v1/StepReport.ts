// Original file: proto/athanor/v1/compression_report.proto

import type { GateReport as _athanor_v1_GateReport, GateReport__Output as _athanor_v1_GateReport__Output } from '../../athanor/v1/GateReport.ts';
import type { SearchReport as _athanor_v1_SearchReport, SearchReport__Output as _athanor_v1_SearchReport__Output } from '../../athanor/v1/SearchReport.ts';
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
  /**
   * Of the model after the step, as `start_metrics`; empty where stages are not measured.
   */
  'metrics'?: ({[key: string]: number | string});
  /**
   * The step ran, and the result is the model of a stage before it.
   */
  'dropped'?: (boolean);
  /**
   * Of a gate.
   */
  'gate'?: (_athanor_v1_GateReport | null);
  /**
   * Of a search.
   */
  'search'?: (_athanor_v1_SearchReport | null);
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
  /**
   * Of the model after the step, as `start_metrics`; empty where stages are not measured.
   */
  'metrics': ({[key: string]: number});
  /**
   * The step ran, and the result is the model of a stage before it.
   */
  'dropped': (boolean);
  /**
   * Of a gate.
   */
  'gate': (_athanor_v1_GateReport__Output | null);
  /**
   * Of a search.
   */
  'search': (_athanor_v1_SearchReport__Output | null);
}
