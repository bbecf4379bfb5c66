// Original file: proto/athanor/v1/model.proto


export interface ModelServicePromotionsRequest {
  /**
   * A stable name; empty lists what each of them stands for now.
   */
  'alias'?: (string);
}

export interface ModelServicePromotionsRequest__Output {
  /**
   * A stable name; empty lists what each of them stands for now.
   */
  'alias': (string);
}
