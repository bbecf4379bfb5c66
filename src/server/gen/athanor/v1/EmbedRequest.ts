// Original file: proto/athanor/v1/inference.proto


export interface EmbedRequest {
  /**
   * Name of the model; one that embeds.
   */
  'model'?: (string);
  /**
   * At least one.
   */
  'texts'?: (string)[];
  /**
   * Scale the vectors to length 1, or not. Default: as the model says.
   */
  'normalize'?: (boolean);
  '_normalize'?: "normalize";
}

export interface EmbedRequest__Output {
  /**
   * Name of the model; one that embeds.
   */
  'model': (string);
  /**
   * At least one.
   */
  'texts': (string)[];
  /**
   * Scale the vectors to length 1, or not. Default: as the model says.
   */
  'normalize'?: (boolean);
  '_normalize'?: "normalize";
}
