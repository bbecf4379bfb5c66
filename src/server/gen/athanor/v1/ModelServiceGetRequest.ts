// Original file: proto/athanor/v1/model.proto


export interface ModelServiceGetRequest {
  /**
   * "name", or "name@version" for an older version.
   */
  'name'?: (string);
}

export interface ModelServiceGetRequest__Output {
  /**
   * "name", or "name@version" for an older version.
   */
  'name': (string);
}
