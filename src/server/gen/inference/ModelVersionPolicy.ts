// Original file: proto/inference/model_config.proto


/**
 * Every version of the store.
 */
export interface _inference_ModelVersionPolicy_All {
}

/**
 * Every version of the store.
 */
export interface _inference_ModelVersionPolicy_All__Output {
}

/**
 * Which versions can be asked for.
 */
export interface ModelVersionPolicy {
  /**
   * Every version of the store.
   */
  'all'?: (_inference_ModelVersionPolicy_All | null);
  /**
   * The policy.
   */
  'policyChoice'?: "all";
}

/**
 * Which versions can be asked for.
 */
export interface ModelVersionPolicy__Output {
  /**
   * Every version of the store.
   */
  'all'?: (_inference_ModelVersionPolicy_All__Output | null);
  /**
   * The policy.
   */
  'policyChoice'?: "all";
}
