// Original file: proto/athanor/v1/inference.proto


export interface FillMaskRequest {
  /**
   * Name of the model; a masked language model.
   */
  'model'?: (string);
  /**
   * Texts with at least one mask token each.
   */
  'texts'?: (string)[];
  /**
   * Candidates for each mask. Default 5.
   */
  'topK'?: (number);
  '_topK'?: "topK";
}

export interface FillMaskRequest__Output {
  /**
   * Name of the model; a masked language model.
   */
  'model': (string);
  /**
   * Texts with at least one mask token each.
   */
  'texts': (string)[];
  /**
   * Candidates for each mask. Default 5.
   */
  'topK'?: (number);
  '_topK'?: "topK";
}
