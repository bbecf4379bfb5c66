// Original file: proto/athanor/v1/job.proto


/**
 * Brings a Hugging Face folder into the store.
 */
export interface ImportSpec {
  /**
   * Name to store it under.
   */
  'name'?: (string);
  /**
   * Folder on the server.
   */
  'path'?: (string);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace'?: (boolean);
}

/**
 * Brings a Hugging Face folder into the store.
 */
export interface ImportSpec__Output {
  /**
   * Name to store it under.
   */
  'name': (string);
  /**
   * Folder on the server.
   */
  'path': (string);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace': (boolean);
}
