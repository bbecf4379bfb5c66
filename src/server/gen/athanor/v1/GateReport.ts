// Original file: proto/athanor/v1/compression_report.proto


/**
 * What a gate found.
 */
export interface GateReport {
  /**
   * What was measured.
   */
  'metric'?: (string);
  /**
   * Of the model at the gate.
   */
  'value'?: (number | string);
  /**
   * Of the model that it was compared with.
   */
  'reference'?: (number | string);
  /**
   * The worst value that passes.
   */
  'limit'?: (number | string);
  /**
   * Whether the recipe went on.
   */
  'held'?: (boolean);
}

/**
 * What a gate found.
 */
export interface GateReport__Output {
  /**
   * What was measured.
   */
  'metric': (string);
  /**
   * Of the model at the gate.
   */
  'value': (number);
  /**
   * Of the model that it was compared with.
   */
  'reference': (number);
  /**
   * The worst value that passes.
   */
  'limit': (number);
  /**
   * Whether the recipe went on.
   */
  'held': (boolean);
}
