// Original file: proto/athanor/v1/model.proto


export interface ModelServiceImportRequest {
  /**
   * Name to store it under.
   */
  'name'?: (string);
  /**
   * A Hugging Face folder (config.json, tokenizer.json, *.safetensors) on the server.
   */
  'path'?: (string);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace'?: (boolean);
}

export interface ModelServiceImportRequest__Output {
  /**
   * Name to store it under.
   */
  'name': (string);
  /**
   * A Hugging Face folder (config.json, tokenizer.json, *.safetensors) on the server.
   */
  'path': (string);
  /**
   * Store a new version when the name exists; otherwise that is the error model_exists.
   */
  'replace': (boolean);
}
