// Original file: proto/inference/grpc_service.proto

import type { ModelInferResponse as _inference_ModelInferResponse, ModelInferResponse__Output as _inference_ModelInferResponse__Output } from '../inference/ModelInferResponse.ts';

export interface ModelStreamInferResponse {
  /**
   * Why the request failed; empty if it did not.
   */
  'errorMessage'?: (string);
  /**
   * The answer; of a failed request at least its id.
   */
  'inferResponse'?: (_inference_ModelInferResponse | null);
}

export interface ModelStreamInferResponse__Output {
  /**
   * Why the request failed; empty if it did not.
   */
  'errorMessage': (string);
  /**
   * The answer; of a failed request at least its id.
   */
  'inferResponse': (_inference_ModelInferResponse__Output | null);
}
