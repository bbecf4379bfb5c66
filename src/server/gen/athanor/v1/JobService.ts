// Original file: proto/athanor/v1/job.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { JobServiceCancelRequest as _athanor_v1_JobServiceCancelRequest, JobServiceCancelRequest__Output as _athanor_v1_JobServiceCancelRequest__Output } from '../../athanor/v1/JobServiceCancelRequest.ts';
import type { JobServiceCancelResponse as _athanor_v1_JobServiceCancelResponse, JobServiceCancelResponse__Output as _athanor_v1_JobServiceCancelResponse__Output } from '../../athanor/v1/JobServiceCancelResponse.ts';
import type { JobServiceForgetRequest as _athanor_v1_JobServiceForgetRequest, JobServiceForgetRequest__Output as _athanor_v1_JobServiceForgetRequest__Output } from '../../athanor/v1/JobServiceForgetRequest.ts';
import type { JobServiceForgetResponse as _athanor_v1_JobServiceForgetResponse, JobServiceForgetResponse__Output as _athanor_v1_JobServiceForgetResponse__Output } from '../../athanor/v1/JobServiceForgetResponse.ts';
import type { JobServiceGetRequest as _athanor_v1_JobServiceGetRequest, JobServiceGetRequest__Output as _athanor_v1_JobServiceGetRequest__Output } from '../../athanor/v1/JobServiceGetRequest.ts';
import type { JobServiceGetResponse as _athanor_v1_JobServiceGetResponse, JobServiceGetResponse__Output as _athanor_v1_JobServiceGetResponse__Output } from '../../athanor/v1/JobServiceGetResponse.ts';
import type { JobServiceListRequest as _athanor_v1_JobServiceListRequest, JobServiceListRequest__Output as _athanor_v1_JobServiceListRequest__Output } from '../../athanor/v1/JobServiceListRequest.ts';
import type { JobServiceListResponse as _athanor_v1_JobServiceListResponse, JobServiceListResponse__Output as _athanor_v1_JobServiceListResponse__Output } from '../../athanor/v1/JobServiceListResponse.ts';
import type { JobServicePauseRequest as _athanor_v1_JobServicePauseRequest, JobServicePauseRequest__Output as _athanor_v1_JobServicePauseRequest__Output } from '../../athanor/v1/JobServicePauseRequest.ts';
import type { JobServicePauseResponse as _athanor_v1_JobServicePauseResponse, JobServicePauseResponse__Output as _athanor_v1_JobServicePauseResponse__Output } from '../../athanor/v1/JobServicePauseResponse.ts';
import type { JobServiceResumeRequest as _athanor_v1_JobServiceResumeRequest, JobServiceResumeRequest__Output as _athanor_v1_JobServiceResumeRequest__Output } from '../../athanor/v1/JobServiceResumeRequest.ts';
import type { JobServiceResumeResponse as _athanor_v1_JobServiceResumeResponse, JobServiceResumeResponse__Output as _athanor_v1_JobServiceResumeResponse__Output } from '../../athanor/v1/JobServiceResumeResponse.ts';
import type { JobServiceRetryRequest as _athanor_v1_JobServiceRetryRequest, JobServiceRetryRequest__Output as _athanor_v1_JobServiceRetryRequest__Output } from '../../athanor/v1/JobServiceRetryRequest.ts';
import type { JobServiceRetryResponse as _athanor_v1_JobServiceRetryResponse, JobServiceRetryResponse__Output as _athanor_v1_JobServiceRetryResponse__Output } from '../../athanor/v1/JobServiceRetryResponse.ts';
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
   * Forgets a job that has ended: its log, its result and the files that it left.
   */
  Forget(argument: _athanor_v1_JobServiceForgetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  Forget(argument: _athanor_v1_JobServiceForgetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  Forget(argument: _athanor_v1_JobServiceForgetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  Forget(argument: _athanor_v1_JobServiceForgetRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Forgets a job that has ended: its log, its result and the files that it left.
   */
  forget(argument: _athanor_v1_JobServiceForgetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  forget(argument: _athanor_v1_JobServiceForgetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  forget(argument: _athanor_v1_JobServiceForgetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  forget(argument: _athanor_v1_JobServiceForgetRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceForgetResponse__Output>): grpc.ClientUnaryCall;
  
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
   * Puts a job aside, with a checkpoint where it runs. The device is free within a second.
   */
  Pause(argument: _athanor_v1_JobServicePauseRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  Pause(argument: _athanor_v1_JobServicePauseRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  Pause(argument: _athanor_v1_JobServicePauseRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  Pause(argument: _athanor_v1_JobServicePauseRequest, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Puts a job aside, with a checkpoint where it runs. The device is free within a second.
   */
  pause(argument: _athanor_v1_JobServicePauseRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  pause(argument: _athanor_v1_JobServicePauseRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  pause(argument: _athanor_v1_JobServicePauseRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  pause(argument: _athanor_v1_JobServicePauseRequest, callback: grpc.requestCallback<_athanor_v1_JobServicePauseResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Lets a paused job go on where it was.
   */
  Resume(argument: _athanor_v1_JobServiceResumeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  Resume(argument: _athanor_v1_JobServiceResumeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  Resume(argument: _athanor_v1_JobServiceResumeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  Resume(argument: _athanor_v1_JobServiceResumeRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Lets a paused job go on where it was.
   */
  resume(argument: _athanor_v1_JobServiceResumeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  resume(argument: _athanor_v1_JobServiceResumeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  resume(argument: _athanor_v1_JobServiceResumeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  resume(argument: _athanor_v1_JobServiceResumeRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceResumeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Submits a job that failed or was cancelled again, as a new job that goes on from its checkpoint.
   */
  Retry(argument: _athanor_v1_JobServiceRetryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  Retry(argument: _athanor_v1_JobServiceRetryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  Retry(argument: _athanor_v1_JobServiceRetryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  Retry(argument: _athanor_v1_JobServiceRetryRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Submits a job that failed or was cancelled again, as a new job that goes on from its checkpoint.
   */
  retry(argument: _athanor_v1_JobServiceRetryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  retry(argument: _athanor_v1_JobServiceRetryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  retry(argument: _athanor_v1_JobServiceRetryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  retry(argument: _athanor_v1_JobServiceRetryRequest, callback: grpc.requestCallback<_athanor_v1_JobServiceRetryResponse__Output>): grpc.ClientUnaryCall;
  
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
   * Forgets a job that has ended: its log, its result and the files that it left.
   */
  Forget: grpc.handleUnaryCall<_athanor_v1_JobServiceForgetRequest__Output, _athanor_v1_JobServiceForgetResponse>;
  
  /**
   * Shows one job with its result or error.
   */
  Get: grpc.handleUnaryCall<_athanor_v1_JobServiceGetRequest__Output, _athanor_v1_JobServiceGetResponse>;
  
  /**
   * Lists jobs, newest first.
   */
  List: grpc.handleUnaryCall<_athanor_v1_JobServiceListRequest__Output, _athanor_v1_JobServiceListResponse>;
  
  /**
   * Puts a job aside, with a checkpoint where it runs. The device is free within a second.
   */
  Pause: grpc.handleUnaryCall<_athanor_v1_JobServicePauseRequest__Output, _athanor_v1_JobServicePauseResponse>;
  
  /**
   * Lets a paused job go on where it was.
   */
  Resume: grpc.handleUnaryCall<_athanor_v1_JobServiceResumeRequest__Output, _athanor_v1_JobServiceResumeResponse>;
  
  /**
   * Submits a job that failed or was cancelled again, as a new job that goes on from its checkpoint.
   */
  Retry: grpc.handleUnaryCall<_athanor_v1_JobServiceRetryRequest__Output, _athanor_v1_JobServiceRetryResponse>;
  
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
  Forget: MethodDefinition<_athanor_v1_JobServiceForgetRequest, _athanor_v1_JobServiceForgetResponse, _athanor_v1_JobServiceForgetRequest__Output, _athanor_v1_JobServiceForgetResponse__Output>
  Get: MethodDefinition<_athanor_v1_JobServiceGetRequest, _athanor_v1_JobServiceGetResponse, _athanor_v1_JobServiceGetRequest__Output, _athanor_v1_JobServiceGetResponse__Output>
  List: MethodDefinition<_athanor_v1_JobServiceListRequest, _athanor_v1_JobServiceListResponse, _athanor_v1_JobServiceListRequest__Output, _athanor_v1_JobServiceListResponse__Output>
  Pause: MethodDefinition<_athanor_v1_JobServicePauseRequest, _athanor_v1_JobServicePauseResponse, _athanor_v1_JobServicePauseRequest__Output, _athanor_v1_JobServicePauseResponse__Output>
  Resume: MethodDefinition<_athanor_v1_JobServiceResumeRequest, _athanor_v1_JobServiceResumeResponse, _athanor_v1_JobServiceResumeRequest__Output, _athanor_v1_JobServiceResumeResponse__Output>
  Retry: MethodDefinition<_athanor_v1_JobServiceRetryRequest, _athanor_v1_JobServiceRetryResponse, _athanor_v1_JobServiceRetryRequest__Output, _athanor_v1_JobServiceRetryResponse__Output>
  Submit: MethodDefinition<_athanor_v1_JobServiceSubmitRequest, _athanor_v1_JobServiceSubmitResponse, _athanor_v1_JobServiceSubmitRequest__Output, _athanor_v1_JobServiceSubmitResponse__Output>
  Watch: MethodDefinition<_athanor_v1_JobServiceWatchRequest, _athanor_v1_JobServiceWatchResponse, _athanor_v1_JobServiceWatchRequest__Output, _athanor_v1_JobServiceWatchResponse__Output>
}
