// Original file: proto/athanor/v1/compression_report.proto


/**
 * Which calibration text was used, so that another run can be held against it.
 */
export interface CalibrationManifest {
  /**
   * Files on the server, in order; "inlineText" stands for text of the request.
   */
  'paths'?: (string)[];
  /**
   * SHA-256 of the text, independent of the tokenizer.
   */
  'textHash'?: (string);
  /**
   * Documents in the text.
   */
  'documents'?: (number);
  /**
   * Windows of tokens that were run.
   */
  'rows'?: (number);
  /**
   * Windows that the text holds.
   */
  'rowsAvailable'?: (number);
  /**
   * Tokens of each row: the length cap.
   */
  'rowTokens'?: (number);
  /**
   * Seed of the draw.
   */
  'seed'?: (number);
  /**
   * How short rows are filled up.
   */
  'padding'?: (string);
  /**
   * Tokens that do not come from the text.
   */
  'specialTokens'?: (string);
  /**
   * SHA-256 over the token ids of all rows, as 64-bit little-endian numbers.
   */
  'rowsHash'?: (string);
  /**
   * The first 16 digits of the like for each row, of the first 64 rows.
   */
  'rowHashes'?: (string)[];
  /**
   * What a row is: "window of running text", "line", "labelled text" or "pair".
   */
  'rowKind'?: (string);
}

/**
 * Which calibration text was used, so that another run can be held against it.
 */
export interface CalibrationManifest__Output {
  /**
   * Files on the server, in order; "inlineText" stands for text of the request.
   */
  'paths': (string)[];
  /**
   * SHA-256 of the text, independent of the tokenizer.
   */
  'textHash': (string);
  /**
   * Documents in the text.
   */
  'documents': (number);
  /**
   * Windows of tokens that were run.
   */
  'rows': (number);
  /**
   * Windows that the text holds.
   */
  'rowsAvailable': (number);
  /**
   * Tokens of each row: the length cap.
   */
  'rowTokens': (number);
  /**
   * Seed of the draw.
   */
  'seed': (number);
  /**
   * How short rows are filled up.
   */
  'padding': (string);
  /**
   * Tokens that do not come from the text.
   */
  'specialTokens': (string);
  /**
   * SHA-256 over the token ids of all rows, as 64-bit little-endian numbers.
   */
  'rowsHash': (string);
  /**
   * The first 16 digits of the like for each row, of the first 64 rows.
   */
  'rowHashes': (string)[];
  /**
   * What a row is: "window of running text", "line", "labelled text" or "pair".
   */
  'rowKind': (string);
}
