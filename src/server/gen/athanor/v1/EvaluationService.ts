// Original file: proto/athanor/v1/evaluation.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { EvaluateRequest as _athanor_v1_EvaluateRequest, EvaluateRequest__Output as _athanor_v1_EvaluateRequest__Output } from '../../athanor/v1/EvaluateRequest.ts';
import type { EvaluateResponse as _athanor_v1_EvaluateResponse, EvaluateResponse__Output as _athanor_v1_EvaluateResponse__Output } from '../../athanor/v1/EvaluateResponse.ts';

/**
 * Measures models.
 */
export interface EvaluationServiceClient extends grpc.Client {
  /**
   * Starts an evaluation job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  Evaluate(argument: _athanor_v1_EvaluateRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_EvaluateResponse__Output>;
  Evaluate(argument: _athanor_v1_EvaluateRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_EvaluateResponse__Output>;
  /**
   * Starts an evaluation job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  evaluate(argument: _athanor_v1_EvaluateRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_EvaluateResponse__Output>;
  evaluate(argument: _athanor_v1_EvaluateRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_EvaluateResponse__Output>;
  
}

/**
 * Measures models.
 */
export interface EvaluationServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Starts an evaluation job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  Evaluate: grpc.handleServerStreamingCall<_athanor_v1_EvaluateRequest__Output, _athanor_v1_EvaluateResponse>;
  
}

export interface EvaluationServiceDefinition extends grpc.ServiceDefinition {
  Evaluate: MethodDefinition<_athanor_v1_EvaluateRequest, _athanor_v1_EvaluateResponse, _athanor_v1_EvaluateRequest__Output, _athanor_v1_EvaluateResponse__Output>
}
