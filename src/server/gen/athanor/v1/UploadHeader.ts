// Original file: proto/athanor/v1/model.proto


/**
 * Opens an upload.
 */
export interface UploadHeader {
  /**
   * Name to store it under.
   */
  'name'?: (string);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace'?: (boolean);
}

/**
 * Opens an upload.
 */
export interface UploadHeader__Output {
  /**
   * Name to store it under.
   */
  'name': (string);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace': (boolean);
}
