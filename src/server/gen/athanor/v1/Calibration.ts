// Original file: proto/athanor/v1/job.proto


/**
 * How much calibration text is used.
 */
export interface Calibration {
  /**
   * Sequences drawn from the text. Default 64.
   */
  'sequences'?: (number);
  /**
   * Tokens of a sequence. Default 128, at most the model's positions.
   */
  'sequenceLength'?: (number);
  /**
   * Seed of the draw. Default 0.
   */
  'seed'?: (number);
  /**
   * Put the tokenizer's special tokens around every sequence, as around a served text: in front of a window of running text what begins a
   * prompt. Default true.
   */
  'specialTokens'?: (boolean);
  '_sequences'?: "sequences";
  '_sequenceLength'?: "sequenceLength";
  '_seed'?: "seed";
  '_specialTokens'?: "specialTokens";
}

/**
 * How much calibration text is used.
 */
export interface Calibration__Output {
  /**
   * Sequences drawn from the text. Default 64.
   */
  'sequences'?: (number);
  /**
   * Tokens of a sequence. Default 128, at most the model's positions.
   */
  'sequenceLength'?: (number);
  /**
   * Seed of the draw. Default 0.
   */
  'seed'?: (number);
  /**
   * Put the tokenizer's special tokens around every sequence, as around a served text: in front of a window of running text what begins a
   * prompt. Default true.
   */
  'specialTokens'?: (boolean);
  '_sequences'?: "sequences";
  '_sequenceLength'?: "sequenceLength";
  '_seed'?: "seed";
  '_specialTokens'?: "specialTokens";
}
