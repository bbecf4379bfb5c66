// Original file: proto/athanor/v1/model.proto


export interface ModelServiceRollBackRequest {
  /**
   * The stable name.
   */
  'alias'?: (string);
  /**
   * Sequence number of the promotion to go back to; 0 for the newest of another version.
   */
  'to'?: (number);
}

export interface ModelServiceRollBackRequest__Output {
  /**
   * The stable name.
   */
  'alias': (string);
  /**
   * Sequence number of the promotion to go back to; 0 for the newest of another version.
   */
  'to': (number);
}
