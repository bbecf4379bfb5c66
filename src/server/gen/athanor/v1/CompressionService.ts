// Original file: proto/athanor/v1/compression.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CompressRequest as _athanor_v1_CompressRequest, CompressRequest__Output as _athanor_v1_CompressRequest__Output } from '../../athanor/v1/CompressRequest.ts';
import type { CompressResponse as _athanor_v1_CompressResponse, CompressResponse__Output as _athanor_v1_CompressResponse__Output } from '../../athanor/v1/CompressResponse.ts';

/**
 * Makes models smaller.
 */
export interface CompressionServiceClient extends grpc.Client {
  /**
   * Starts a compression job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  Compress(argument: _athanor_v1_CompressRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_CompressResponse__Output>;
  Compress(argument: _athanor_v1_CompressRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_CompressResponse__Output>;
  /**
   * Starts a compression job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  compress(argument: _athanor_v1_CompressRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_CompressResponse__Output>;
  compress(argument: _athanor_v1_CompressRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_CompressResponse__Output>;
  
}

/**
 * Makes models smaller.
 */
export interface CompressionServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Starts a compression job and watches it. The first event carries the job id; leaving the stream does not stop the job.
   */
  Compress: grpc.handleServerStreamingCall<_athanor_v1_CompressRequest__Output, _athanor_v1_CompressResponse>;
  
}

export interface CompressionServiceDefinition extends grpc.ServiceDefinition {
  Compress: MethodDefinition<_athanor_v1_CompressRequest, _athanor_v1_CompressResponse, _athanor_v1_CompressRequest__Output, _athanor_v1_CompressResponse__Output>
}
