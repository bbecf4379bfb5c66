// Original file: proto/athanor/v1/distillation.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DistillRequest as _athanor_v1_DistillRequest, DistillRequest__Output as _athanor_v1_DistillRequest__Output } from '../../athanor/v1/DistillRequest.ts';
import type { DistillResponse as _athanor_v1_DistillResponse, DistillResponse__Output as _athanor_v1_DistillResponse__Output } from '../../athanor/v1/DistillResponse.ts';

/**
 * Trains students against teachers.
 */
export interface DistillationServiceClient extends grpc.Client {
  /**
   * Starts a training job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  Distill(argument: _athanor_v1_DistillRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistillResponse__Output>;
  Distill(argument: _athanor_v1_DistillRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistillResponse__Output>;
  /**
   * Starts a training job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  distill(argument: _athanor_v1_DistillRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistillResponse__Output>;
  distill(argument: _athanor_v1_DistillRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistillResponse__Output>;
  
}

/**
 * Trains students against teachers.
 */
export interface DistillationServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Starts a training job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  Distill: grpc.handleServerStreamingCall<_athanor_v1_DistillRequest__Output, _athanor_v1_DistillResponse>;
  
}

export interface DistillationServiceDefinition extends grpc.ServiceDefinition {
  Distill: MethodDefinition<_athanor_v1_DistillRequest, _athanor_v1_DistillResponse, _athanor_v1_DistillRequest__Output, _athanor_v1_DistillResponse__Output>
}
