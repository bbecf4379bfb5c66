// Original file: proto/athanor/v1/text.proto


/**
 * Where a row holds its text and its label: names of columns, or of fields of .jsonl.
 */
export interface LabelledRows {
  /**
   * The text; "text" when empty.
   */
  'text'?: (string);
  /**
   * The second text of a pair; empty for none.
   */
  'secondText'?: (string);
  /**
   * The label; "label" when empty.
   */
  'label'?: (string);
  /**
   * Names of all columns in their order, for .tsv and .csv files without a header line.
   */
  'columns'?: (string)[];
}

/**
 * Where a row holds its text and its label: names of columns, or of fields of .jsonl.
 */
export interface LabelledRows__Output {
  /**
   * The text; "text" when empty.
   */
  'text': (string);
  /**
   * The second text of a pair; empty for none.
   */
  'secondText': (string);
  /**
   * The label; "label" when empty.
   */
  'label': (string);
  /**
   * Names of all columns in their order, for .tsv and .csv files without a header line.
   */
  'columns': (string)[];
}
