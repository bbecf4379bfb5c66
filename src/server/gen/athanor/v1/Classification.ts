// Original file: proto/athanor/v1/inference.proto


/**
 * What a classifier says of one input.
 */
export interface Classification {
  /**
   * The likeliest label.
   */
  'label'?: (string);
  /**
   * One for each label; they sum to 1.
   */
  'probabilities'?: (number | string)[];
  /**
   * One for each label, before the softmax.
   */
  'logits'?: (number | string)[];
}

/**
 * What a classifier says of one input.
 */
export interface Classification__Output {
  /**
   * The likeliest label.
   */
  'label': (string);
  /**
   * One for each label; they sum to 1.
   */
  'probabilities': (number)[];
  /**
   * One for each label, before the softmax.
   */
  'logits': (number)[];
}
