// Original file: proto/athanor/v1/text.proto


/**
 * Text for calibration, training or evaluation. At least one of `paths` and `inline_text` is needed; they are read in this order.
 */
export interface TextData {
  /**
   * Files that the server reads: .txt or .jsonl, either of them gzipped (.gz). Relative paths start where the server was started.
   */
  'paths'?: (string)[];
  /**
   * Field of every .jsonl row that holds the text; "text" when empty.
   */
  'jsonlField'?: (string);
  /**
   * Small UTF-8 text sent with the request, at most 3 MiB; one document.
   */
  'inlineText'?: (Buffer | Uint8Array | string);
}

/**
 * Text for calibration, training or evaluation. At least one of `paths` and `inline_text` is needed; they are read in this order.
 */
export interface TextData__Output {
  /**
   * Files that the server reads: .txt or .jsonl, either of them gzipped (.gz). Relative paths start where the server was started.
   */
  'paths': (string)[];
  /**
   * Field of every .jsonl row that holds the text; "text" when empty.
   */
  'jsonlField': (string);
  /**
   * Small UTF-8 text sent with the request, at most 3 MiB; one document.
   */
  'inlineText': (Buffer);
}
