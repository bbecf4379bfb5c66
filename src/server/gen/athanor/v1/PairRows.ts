// Original file: proto/athanor/v1/text.proto


/**
 * Where a row holds its source and its target.
 */
export interface PairRows {
  /**
   * Field of a .jsonl row with the source, a text or a list that is joined; "source" when empty.
   */
  'source'?: (string);
  /**
   * Field of a .jsonl row with the target, a text or a list of right answers; "target" when empty.
   */
  'target'?: (string);
  /**
   * Column of a .tsv file with the source, from 0. Default 0.
   */
  'sourceColumn'?: (number);
  /**
   * Column of a .tsv file with the target, from 0. Default 1.
   */
  'targetColumn'?: (number);
  '_sourceColumn'?: "sourceColumn";
  '_targetColumn'?: "targetColumn";
}

/**
 * Where a row holds its source and its target.
 */
export interface PairRows__Output {
  /**
   * Field of a .jsonl row with the source, a text or a list that is joined; "source" when empty.
   */
  'source': (string);
  /**
   * Field of a .jsonl row with the target, a text or a list of right answers; "target" when empty.
   */
  'target': (string);
  /**
   * Column of a .tsv file with the source, from 0. Default 0.
   */
  'sourceColumn'?: (number);
  /**
   * Column of a .tsv file with the target, from 0. Default 1.
   */
  'targetColumn'?: (number);
  '_sourceColumn'?: "sourceColumn";
  '_targetColumn'?: "targetColumn";
}
