// Original file: proto/athanor/v1/job.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { JobServiceCancelRequest as _athanor_v1_JobServiceCancelRequest, JobServiceCancelRequest__Output as _athanor_v1_JobServiceCancelRequest__Output } from '../../athanor/v1/JobServiceCancelRequest.ts';
import type { JobServiceCancelResponse as _athanor_v1_JobServiceCancelResponse, JobServiceCancelResponse__Output as _athanor_v1_JobServiceCancelResponse__Output } from '../../athanor/v1/JobServiceCancelResponse.ts';
import type { JobServiceGetRequest as _athanor_v1_JobServiceGetRequest, JobServiceGetRequest__Output as _athanor_v1_JobServiceGetRequest__Output } from '../../athanor/v1/JobServiceGetRequest.ts';
import type { JobServiceGetResponse as _athanor_v1_JobServiceGetResponse, JobServiceGetResponse__Output as _athanor_v1_JobServiceGetResponse__Output } from '../../athanor/v1/JobServiceGetResponse.ts';
import type { JobServiceListRequest as _athanor_v1_JobServiceListRequest, JobServiceListRequest__Output as _athanor_v1_JobServiceListRequest__Output } from '../../athanor/v1/JobServiceListRequest.ts';
import type { JobServiceListResponse as _athanor_v1_JobServiceListResponse, JobServiceListResponse__Output as _athanor_v1_JobServiceListResponse__Output } from '../../athanor/v1/JobServiceListResponse.ts';
import type { JobServiceSubmitRequest as _athanor_v1_JobServiceSubmitRequest, JobServiceSubmitRequest__Output as _athanor_v1_JobServiceSubmitRequest__Output } from '../../athanor/v1/JobServiceSubmitRequest.ts';
import type { JobServiceSubmitResponse as _athanor_v1_JobServiceSubmitResponse, JobServiceSubmitResponse__Output as _athanor_v1_JobServiceSubmitResponse__Output } from '../../athanor/v1/JobServiceSubmitResponse.ts';
import type { JobServiceWatchRequest as _athanor_v1_JobServiceWatchRequest, JobServiceWatchRequest__Output as _athanor_v1_JobServiceWatchRequest__Output } from '../../athanor/v1/JobServiceWatchRequest.ts';
import type { JobServiceWatchResponse as _athanor_v1_JobServiceWatchResponse, JobServiceWatchResponse__Output as _athanor_v1_JobServiceWatchResponse__Output } from '../../athanor/v1/JobServiceWatchResponse.ts';

/**
 * The durable jobs of one server.
 */
export interface JobServiceClient extends grpc.Client {
  /**
   * Asks a job to stop; it does within a second. A job that has ended stays as it is.
   */
  Cancel(argument: _athanor_v1_JobServiceCancelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _athanor_v1_JobServiceCancelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _athanor_v1_JobServiceCancelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _athanor_v1_JobServiceCancelRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Asks a job to stop; it does within a second. A job that has ended stays as it is.
   */
  cancel(argument: _athanor_v1_JobServiceCancelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  cancel(argument: _athanor_v1_JobServiceCancelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  cancel(argument: _athanor_v1_JobServiceCancelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  cancel(argument: _athanor_v1_JobServiceCancelRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceCancelResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Shows one job with its result or error.
   */
  Get(argument: _athanor_v1_JobServiceGetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  Get(argument: _athanor_v1_JobServiceGetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  Get(argument: _athanor_v1_JobServiceGetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  Get(argument: _athanor_v1_JobServiceGetRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Shows one job with its result or error.
   */
  get(argument: _athanor_v1_JobServiceGetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  get(argument: _athanor_v1_JobServiceGetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  get(argument: _athanor_v1_JobServiceGetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  get(argument: _athanor_v1_JobServiceGetRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceGetResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Lists jobs, newest first.
   */
  List(argument: _athanor_v1_JobServiceListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _athanor_v1_JobServiceListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _athanor_v1_JobServiceListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _athanor_v1_JobServiceListRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Lists jobs, newest first.
   */
  list(argument: _athanor_v1_JobServiceListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _athanor_v1_JobServiceListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _athanor_v1_JobServiceListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _athanor_v1_JobServiceListRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceListResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Puts a job into the queue and answers at once.
   */
  Submit(argument: _athanor_v1_JobServiceSubmitRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  Submit(argument: _athanor_v1_JobServiceSubmitRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  Submit(argument: _athanor_v1_JobServiceSubmitRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  Submit(argument: _athanor_v1_JobServiceSubmitRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Puts a job into the queue and answers at once.
   */
  submit(argument: _athanor_v1_JobServiceSubmitRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  submit(argument: _athanor_v1_JobServiceSubmitRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  submit(argument: _athanor_v1_JobServiceSubmitRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  submit(argument: _athanor_v1_JobServiceSubmitRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceSubmitResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Sends the events of a job from a sequence number on, those to come included, and ends when the job has ended.
   * A slow reader may miss progress events that newer ones replaced, never another kind of event.
   */
  Watch(argument: _athanor_v1_JobServiceWatchRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_JobServiceWatchResponse__Output>;
  Watch(argument: _athanor_v1_JobServiceWatchRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_JobServiceWatchResponse__Output>;
  /**
   * Sends the events of a job from a sequence number on, those to come included, and ends when the job has ended.
   * A slow reader may miss progress events that newer ones replaced, never another kind of event.
   */
  watch(argument: _athanor_v1_JobServiceWatchRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_JobServiceWatchResponse__Output>;
  watch(argument: _athanor_v1_JobServiceWatchRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_JobServiceWatchResponse__Output>;
  
}

/**
 * The durable jobs of one server.
 */
export interface JobServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Asks a job to stop; it does within a second. A job that has ended stays as it is.
   */
  Cancel: grpc.handleUnaryCall<_athanor_v1_JobServiceCancelRequest__Output, _athanor_v1_JobServiceCancelResponse>;
  
  /**
   * Shows one job with its result or error.
   */
  Get: grpc.handleUnaryCall<_athanor_v1_JobServiceGetRequest__Output, _athanor_v1_JobServiceGetResponse>;
  
  /**
   * Lists jobs, newest first.
   */
  List: grpc.handleUnaryCall<_athanor_v1_JobServiceListRequest__Output, _athanor_v1_JobServiceListResponse>;
  
  /**
   * Puts a job into the queue and answers at once.
   */
  Submit: grpc.handleUnaryCall<_athanor_v1_JobServiceSubmitRequest__Output, _athanor_v1_JobServiceSubmitResponse>;
  
  /**
   * Sends the events of a job from a sequence number on, those to come included, and ends when the job has ended.
   * A slow reader may miss progress events that newer ones replaced, never another kind of event.
   */
  Watch: grpc.handleServerStreamingCall<_athanor_v1_JobServiceWatchRequest__Output, _athanor_v1_JobServiceWatchResponse>;
  
}

export interface JobServiceDefinition extends grpc.ServiceDefinition {
  Cancel: MethodDefinition<_athanor_v1_JobServiceCancelRequest, _athanor_v1_JobServiceCancelResponse, _athanor_v1_JobServiceCancelRequest__Output, _athanor_v1_JobServiceCancelResponse__Output>
  Get: MethodDefinition<_athanor_v1_JobServiceGetRequest, _athanor_v1_JobServiceGetResponse, _athanor_v1_JobServiceGetRequest__Output, _athanor_v1_JobServiceGetResponse__Output>
  List: MethodDefinition<_athanor_v1_JobServiceListRequest, _athanor_v1_JobServiceListResponse, _athanor_v1_JobServiceListRequest__Output, _athanor_v1_JobServiceListResponse__Output>
  Submit: MethodDefinition<_athanor_v1_JobServiceSubmitRequest, _athanor_v1_JobServiceSubmitResponse, _athanor_v1_JobServiceSubmitRequest__Output, _athanor_v1_JobServiceSubmitResponse__Output>
  Watch: MethodDefinition<_athanor_v1_JobServiceWatchRequest, _athanor_v1_JobServiceWatchResponse, _athanor_v1_JobServiceWatchRequest__Output, _athanor_v1_JobServiceWatchResponse__Output>
}
