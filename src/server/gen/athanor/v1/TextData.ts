// Original file: proto/athanor/v1/text.proto

import type { LabelledRows as _athanor_v1_LabelledRows, LabelledRows__Output as _athanor_v1_LabelledRows__Output } from '../../athanor/v1/LabelledRows.ts';
import type { PairRows as _athanor_v1_PairRows, PairRows__Output as _athanor_v1_PairRows__Output } from '../../athanor/v1/PairRows.ts';

/**
 * Data for calibration, training or evaluation. At least one of `paths` and `inline_text` is needed; they are read in this order.
 * Models that continue text read running text, classifiers labelled texts, encoder-decoders pairs, models of hidden tokens lines of text.
 */
export interface TextData {
  /**
   * Files that the server reads, each also gzipped (.gz): .txt or .jsonl; with `labelled` .tsv, .csv or .jsonl; with `pairs` .tsv, .txt (tabs
   * between columns) or .jsonl. Relative paths start where the server was started.
   */
  'paths'?: (string)[];
  /**
   * Field of every .jsonl row that holds the text; "text" when empty.
   */
  'jsonlField'?: (string);
  /**
   * Small UTF-8 text sent with the request, at most 3 MiB; one document. With `labelled` or `pairs` its lines are rows of .jsonl.
   */
  'inlineText'?: (Buffer | Uint8Array | string);
  /**
   * The rows are texts with labels.
   */
  'labelled'?: (_athanor_v1_LabelledRows | null);
  /**
   * The rows are pairs of a source and a target. At most one of `labelled` and `pairs`.
   */
  'pairs'?: (_athanor_v1_PairRows | null);
}

/**
 * Data for calibration, training or evaluation. At least one of `paths` and `inline_text` is needed; they are read in this order.
 * Models that continue text read running text, classifiers labelled texts, encoder-decoders pairs, models of hidden tokens lines of text.
 */
export interface TextData__Output {
  /**
   * Files that the server reads, each also gzipped (.gz): .txt or .jsonl; with `labelled` .tsv, .csv or .jsonl; with `pairs` .tsv, .txt (tabs
   * between columns) or .jsonl. Relative paths start where the server was started.
   */
  'paths': (string)[];
  /**
   * Field of every .jsonl row that holds the text; "text" when empty.
   */
  'jsonlField': (string);
  /**
   * Small UTF-8 text sent with the request, at most 3 MiB; one document. With `labelled` or `pairs` its lines are rows of .jsonl.
   */
  'inlineText': (Buffer);
  /**
   * The rows are texts with labels.
   */
  'labelled': (_athanor_v1_LabelledRows__Output | null);
  /**
   * The rows are pairs of a source and a target. At most one of `labelled` and `pairs`.
   */
  'pairs': (_athanor_v1_PairRows__Output | null);
}
