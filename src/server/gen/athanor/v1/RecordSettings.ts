// Original file: proto/athanor/v1/teacher.proto


/**
 * How to record. Fields that are absent take the default in the comment.
 */
export interface RecordSettings {
  /**
   * Likeliest answers of each row. Default 32.
   */
  'topK'?: (number);
  /**
   * Temperature of the distributions; trainings must ask for the same. Default 1.
   */
  'temperature'?: (number | string);
  /**
   * Tokens of a sequence, the longest text of a classifier or target of a pair. Default 128, at most the teacher's positions. Trainings on windows of
   * text must ask for the same.
   */
  'sequenceLength'?: (number);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * Sequences in one run. Default 8.
   */
  'batchSize'?: (number);
  '_topK'?: "topK";
  '_temperature'?: "temperature";
  '_sequenceLength'?: "sequenceLength";
  '_sourceLength'?: "sourceLength";
  '_batchSize'?: "batchSize";
}

/**
 * How to record. Fields that are absent take the default in the comment.
 */
export interface RecordSettings__Output {
  /**
   * Likeliest answers of each row. Default 32.
   */
  'topK'?: (number);
  /**
   * Temperature of the distributions; trainings must ask for the same. Default 1.
   */
  'temperature'?: (number);
  /**
   * Tokens of a sequence, the longest text of a classifier or target of a pair. Default 128, at most the teacher's positions. Trainings on windows of
   * text must ask for the same.
   */
  'sequenceLength'?: (number);
  /**
   * Longest source of a pair, in tokens. Default: `sequence_length`.
   */
  'sourceLength'?: (number);
  /**
   * Sequences in one run. Default 8.
   */
  'batchSize'?: (number);
  '_topK'?: "topK";
  '_temperature'?: "temperature";
  '_sequenceLength'?: "sequenceLength";
  '_sourceLength'?: "sourceLength";
  '_batchSize'?: "batchSize";
}
