// Original file: proto/athanor/v1/model.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ModelServiceDeleteRequest as _athanor_v1_ModelServiceDeleteRequest, ModelServiceDeleteRequest__Output as _athanor_v1_ModelServiceDeleteRequest__Output } from '../../athanor/v1/ModelServiceDeleteRequest.ts';
import type { ModelServiceDeleteResponse as _athanor_v1_ModelServiceDeleteResponse, ModelServiceDeleteResponse__Output as _athanor_v1_ModelServiceDeleteResponse__Output } from '../../athanor/v1/ModelServiceDeleteResponse.ts';
import type { ModelServiceExportRequest as _athanor_v1_ModelServiceExportRequest, ModelServiceExportRequest__Output as _athanor_v1_ModelServiceExportRequest__Output } from '../../athanor/v1/ModelServiceExportRequest.ts';
import type { ModelServiceExportResponse as _athanor_v1_ModelServiceExportResponse, ModelServiceExportResponse__Output as _athanor_v1_ModelServiceExportResponse__Output } from '../../athanor/v1/ModelServiceExportResponse.ts';
import type { ModelServiceGetRequest as _athanor_v1_ModelServiceGetRequest, ModelServiceGetRequest__Output as _athanor_v1_ModelServiceGetRequest__Output } from '../../athanor/v1/ModelServiceGetRequest.ts';
import type { ModelServiceGetResponse as _athanor_v1_ModelServiceGetResponse, ModelServiceGetResponse__Output as _athanor_v1_ModelServiceGetResponse__Output } from '../../athanor/v1/ModelServiceGetResponse.ts';
import type { ModelServiceImportRequest as _athanor_v1_ModelServiceImportRequest, ModelServiceImportRequest__Output as _athanor_v1_ModelServiceImportRequest__Output } from '../../athanor/v1/ModelServiceImportRequest.ts';
import type { ModelServiceImportResponse as _athanor_v1_ModelServiceImportResponse, ModelServiceImportResponse__Output as _athanor_v1_ModelServiceImportResponse__Output } from '../../athanor/v1/ModelServiceImportResponse.ts';
import type { ModelServiceImportUploadRequest as _athanor_v1_ModelServiceImportUploadRequest, ModelServiceImportUploadRequest__Output as _athanor_v1_ModelServiceImportUploadRequest__Output } from '../../athanor/v1/ModelServiceImportUploadRequest.ts';
import type { ModelServiceImportUploadResponse as _athanor_v1_ModelServiceImportUploadResponse, ModelServiceImportUploadResponse__Output as _athanor_v1_ModelServiceImportUploadResponse__Output } from '../../athanor/v1/ModelServiceImportUploadResponse.ts';
import type { ModelServiceListRequest as _athanor_v1_ModelServiceListRequest, ModelServiceListRequest__Output as _athanor_v1_ModelServiceListRequest__Output } from '../../athanor/v1/ModelServiceListRequest.ts';
import type { ModelServiceListResponse as _athanor_v1_ModelServiceListResponse, ModelServiceListResponse__Output as _athanor_v1_ModelServiceListResponse__Output } from '../../athanor/v1/ModelServiceListResponse.ts';
import type { ModelServiceLoadRequest as _athanor_v1_ModelServiceLoadRequest, ModelServiceLoadRequest__Output as _athanor_v1_ModelServiceLoadRequest__Output } from '../../athanor/v1/ModelServiceLoadRequest.ts';
import type { ModelServiceLoadResponse as _athanor_v1_ModelServiceLoadResponse, ModelServiceLoadResponse__Output as _athanor_v1_ModelServiceLoadResponse__Output } from '../../athanor/v1/ModelServiceLoadResponse.ts';
import type { ModelServicePromoteRequest as _athanor_v1_ModelServicePromoteRequest, ModelServicePromoteRequest__Output as _athanor_v1_ModelServicePromoteRequest__Output } from '../../athanor/v1/ModelServicePromoteRequest.ts';
import type { ModelServicePromoteResponse as _athanor_v1_ModelServicePromoteResponse, ModelServicePromoteResponse__Output as _athanor_v1_ModelServicePromoteResponse__Output } from '../../athanor/v1/ModelServicePromoteResponse.ts';
import type { ModelServicePromotionsRequest as _athanor_v1_ModelServicePromotionsRequest, ModelServicePromotionsRequest__Output as _athanor_v1_ModelServicePromotionsRequest__Output } from '../../athanor/v1/ModelServicePromotionsRequest.ts';
import type { ModelServicePromotionsResponse as _athanor_v1_ModelServicePromotionsResponse, ModelServicePromotionsResponse__Output as _athanor_v1_ModelServicePromotionsResponse__Output } from '../../athanor/v1/ModelServicePromotionsResponse.ts';
import type { ModelServiceRollBackRequest as _athanor_v1_ModelServiceRollBackRequest, ModelServiceRollBackRequest__Output as _athanor_v1_ModelServiceRollBackRequest__Output } from '../../athanor/v1/ModelServiceRollBackRequest.ts';
import type { ModelServiceRollBackResponse as _athanor_v1_ModelServiceRollBackResponse, ModelServiceRollBackResponse__Output as _athanor_v1_ModelServiceRollBackResponse__Output } from '../../athanor/v1/ModelServiceRollBackResponse.ts';
import type { ModelServiceUnloadRequest as _athanor_v1_ModelServiceUnloadRequest, ModelServiceUnloadRequest__Output as _athanor_v1_ModelServiceUnloadRequest__Output } from '../../athanor/v1/ModelServiceUnloadRequest.ts';
import type { ModelServiceUnloadResponse as _athanor_v1_ModelServiceUnloadResponse, ModelServiceUnloadResponse__Output as _athanor_v1_ModelServiceUnloadResponse__Output } from '../../athanor/v1/ModelServiceUnloadResponse.ts';

/**
 * The models of one server.
 */
export interface ModelServiceClient extends grpc.Client {
  /**
   * Removes a model with all its versions from the store.
   */
  Delete(argument: _athanor_v1_ModelServiceDeleteRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  Delete(argument: _athanor_v1_ModelServiceDeleteRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  Delete(argument: _athanor_v1_ModelServiceDeleteRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  Delete(argument: _athanor_v1_ModelServiceDeleteRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Removes a model with all its versions from the store.
   */
  delete(argument: _athanor_v1_ModelServiceDeleteRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _athanor_v1_ModelServiceDeleteRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _athanor_v1_ModelServiceDeleteRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _athanor_v1_ModelServiceDeleteRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceDeleteResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Writes a model in another layout and sends the files in chunks, one file after the other.
   */
  Export(argument: _athanor_v1_ModelServiceExportRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_ModelServiceExportResponse__Output>;
  Export(argument: _athanor_v1_ModelServiceExportRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_ModelServiceExportResponse__Output>;
  /**
   * Writes a model in another layout and sends the files in chunks, one file after the other.
   */
  export(argument: _athanor_v1_ModelServiceExportRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_ModelServiceExportResponse__Output>;
  export(argument: _athanor_v1_ModelServiceExportRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_ModelServiceExportResponse__Output>;
  
  /**
   * Shows one model with its parameters.
   */
  Get(argument: _athanor_v1_ModelServiceGetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  Get(argument: _athanor_v1_ModelServiceGetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  Get(argument: _athanor_v1_ModelServiceGetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  Get(argument: _athanor_v1_ModelServiceGetRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Shows one model with its parameters.
   */
  get(argument: _athanor_v1_ModelServiceGetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  get(argument: _athanor_v1_ModelServiceGetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  get(argument: _athanor_v1_ModelServiceGetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  get(argument: _athanor_v1_ModelServiceGetRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceGetResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Reads a Hugging Face folder on the server. Answers when the model is in the store.
   */
  Import(argument: _athanor_v1_ModelServiceImportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  Import(argument: _athanor_v1_ModelServiceImportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  Import(argument: _athanor_v1_ModelServiceImportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  Import(argument: _athanor_v1_ModelServiceImportRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Reads a Hugging Face folder on the server. Answers when the model is in the store.
   */
  import(argument: _athanor_v1_ModelServiceImportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  import(argument: _athanor_v1_ModelServiceImportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  import(argument: _athanor_v1_ModelServiceImportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  import(argument: _athanor_v1_ModelServiceImportRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Brings in a Hugging Face folder that the client sends: first a header, then the files in chunks, one file after the other.
   */
  ImportUpload(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  ImportUpload(metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  ImportUpload(options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  ImportUpload(callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  /**
   * Brings in a Hugging Face folder that the client sends: first a header, then the files in chunks, one file after the other.
   */
  importUpload(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  importUpload(metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  importUpload(options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  importUpload(callback: grpc.requestCallback<_athanor_v1_ModelServiceImportUploadResponse__Output>): grpc.ClientWritableStream<_athanor_v1_ModelServiceImportUploadRequest>;
  
  /**
   * Lists the newest version of every model, by name.
   */
  List(argument: _athanor_v1_ModelServiceListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _athanor_v1_ModelServiceListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _athanor_v1_ModelServiceListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _athanor_v1_ModelServiceListRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Lists the newest version of every model, by name.
   */
  list(argument: _athanor_v1_ModelServiceListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _athanor_v1_ModelServiceListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _athanor_v1_ModelServiceListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _athanor_v1_ModelServiceListRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceListResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Brings a model into memory. Other calls do that by themselves.
   */
  Load(argument: _athanor_v1_ModelServiceLoadRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  Load(argument: _athanor_v1_ModelServiceLoadRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  Load(argument: _athanor_v1_ModelServiceLoadRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  Load(argument: _athanor_v1_ModelServiceLoadRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Brings a model into memory. Other calls do that by themselves.
   */
  load(argument: _athanor_v1_ModelServiceLoadRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  load(argument: _athanor_v1_ModelServiceLoadRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  load(argument: _athanor_v1_ModelServiceLoadRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  load(argument: _athanor_v1_ModelServiceLoadRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceLoadResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Lets a stable name, which every call takes like a model's, stand for a version whose newest evaluation meets the name's thresholds.
   */
  Promote(argument: _athanor_v1_ModelServicePromoteRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  Promote(argument: _athanor_v1_ModelServicePromoteRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  Promote(argument: _athanor_v1_ModelServicePromoteRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  Promote(argument: _athanor_v1_ModelServicePromoteRequest, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Lets a stable name, which every call takes like a model's, stand for a version whose newest evaluation meets the name's thresholds.
   */
  promote(argument: _athanor_v1_ModelServicePromoteRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  promote(argument: _athanor_v1_ModelServicePromoteRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  promote(argument: _athanor_v1_ModelServicePromoteRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  promote(argument: _athanor_v1_ModelServicePromoteRequest, callback: grpc.requestCallback<_athanor_v1_ModelServicePromoteResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Lists what stable names stand for, or what one of them stood for.
   */
  Promotions(argument: _athanor_v1_ModelServicePromotionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  Promotions(argument: _athanor_v1_ModelServicePromotionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  Promotions(argument: _athanor_v1_ModelServicePromotionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  Promotions(argument: _athanor_v1_ModelServicePromotionsRequest, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Lists what stable names stand for, or what one of them stood for.
   */
  promotions(argument: _athanor_v1_ModelServicePromotionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  promotions(argument: _athanor_v1_ModelServicePromotionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  promotions(argument: _athanor_v1_ModelServicePromotionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  promotions(argument: _athanor_v1_ModelServicePromotionsRequest, callback: grpc.requestCallback<_athanor_v1_ModelServicePromotionsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Lets a stable name stand for what it stood for earlier.
   */
  RollBack(argument: _athanor_v1_ModelServiceRollBackRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  RollBack(argument: _athanor_v1_ModelServiceRollBackRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  RollBack(argument: _athanor_v1_ModelServiceRollBackRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  RollBack(argument: _athanor_v1_ModelServiceRollBackRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Lets a stable name stand for what it stood for earlier.
   */
  rollBack(argument: _athanor_v1_ModelServiceRollBackRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  rollBack(argument: _athanor_v1_ModelServiceRollBackRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  rollBack(argument: _athanor_v1_ModelServiceRollBackRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  rollBack(argument: _athanor_v1_ModelServiceRollBackRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceRollBackResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Gives the memory of a model back. Calls that use it end first; a job that uses it has it refused.
   */
  Unload(argument: _athanor_v1_ModelServiceUnloadRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  Unload(argument: _athanor_v1_ModelServiceUnloadRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  Unload(argument: _athanor_v1_ModelServiceUnloadRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  Unload(argument: _athanor_v1_ModelServiceUnloadRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Gives the memory of a model back. Calls that use it end first; a job that uses it has it refused.
   */
  unload(argument: _athanor_v1_ModelServiceUnloadRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  unload(argument: _athanor_v1_ModelServiceUnloadRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  unload(argument: _athanor_v1_ModelServiceUnloadRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  unload(argument: _athanor_v1_ModelServiceUnloadRequest, callback: grpc.requestCallback<_athanor_v1_ModelServiceUnloadResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * The models of one server.
 */
export interface ModelServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Removes a model with all its versions from the store.
   */
  Delete: grpc.handleUnaryCall<_athanor_v1_ModelServiceDeleteRequest__Output, _athanor_v1_ModelServiceDeleteResponse>;
  
  /**
   * Writes a model in another layout and sends the files in chunks, one file after the other.
   */
  Export: grpc.handleServerStreamingCall<_athanor_v1_ModelServiceExportRequest__Output, _athanor_v1_ModelServiceExportResponse>;
  
  /**
   * Shows one model with its parameters.
   */
  Get: grpc.handleUnaryCall<_athanor_v1_ModelServiceGetRequest__Output, _athanor_v1_ModelServiceGetResponse>;
  
  /**
   * Reads a Hugging Face folder on the server. Answers when the model is in the store.
   */
  Import: grpc.handleUnaryCall<_athanor_v1_ModelServiceImportRequest__Output, _athanor_v1_ModelServiceImportResponse>;
  
  /**
   * Brings in a Hugging Face folder that the client sends: first a header, then the files in chunks, one file after the other.
   */
  ImportUpload: grpc.handleClientStreamingCall<_athanor_v1_ModelServiceImportUploadRequest__Output, _athanor_v1_ModelServiceImportUploadResponse>;
  
  /**
   * Lists the newest version of every model, by name.
   */
  List: grpc.handleUnaryCall<_athanor_v1_ModelServiceListRequest__Output, _athanor_v1_ModelServiceListResponse>;
  
  /**
   * Brings a model into memory. Other calls do that by themselves.
   */
  Load: grpc.handleUnaryCall<_athanor_v1_ModelServiceLoadRequest__Output, _athanor_v1_ModelServiceLoadResponse>;
  
  /**
   * Lets a stable name, which every call takes like a model's, stand for a version whose newest evaluation meets the name's thresholds.
   */
  Promote: grpc.handleUnaryCall<_athanor_v1_ModelServicePromoteRequest__Output, _athanor_v1_ModelServicePromoteResponse>;
  
  /**
   * Lists what stable names stand for, or what one of them stood for.
   */
  Promotions: grpc.handleUnaryCall<_athanor_v1_ModelServicePromotionsRequest__Output, _athanor_v1_ModelServicePromotionsResponse>;
  
  /**
   * Lets a stable name stand for what it stood for earlier.
   */
  RollBack: grpc.handleUnaryCall<_athanor_v1_ModelServiceRollBackRequest__Output, _athanor_v1_ModelServiceRollBackResponse>;
  
  /**
   * Gives the memory of a model back. Calls that use it end first; a job that uses it has it refused.
   */
  Unload: grpc.handleUnaryCall<_athanor_v1_ModelServiceUnloadRequest__Output, _athanor_v1_ModelServiceUnloadResponse>;
  
}

export interface ModelServiceDefinition extends grpc.ServiceDefinition {
  Delete: MethodDefinition<_athanor_v1_ModelServiceDeleteRequest, _athanor_v1_ModelServiceDeleteResponse, _athanor_v1_ModelServiceDeleteRequest__Output, _athanor_v1_ModelServiceDeleteResponse__Output>
  Export: MethodDefinition<_athanor_v1_ModelServiceExportRequest, _athanor_v1_ModelServiceExportResponse, _athanor_v1_ModelServiceExportRequest__Output, _athanor_v1_ModelServiceExportResponse__Output>
  Get: MethodDefinition<_athanor_v1_ModelServiceGetRequest, _athanor_v1_ModelServiceGetResponse, _athanor_v1_ModelServiceGetRequest__Output, _athanor_v1_ModelServiceGetResponse__Output>
  Import: MethodDefinition<_athanor_v1_ModelServiceImportRequest, _athanor_v1_ModelServiceImportResponse, _athanor_v1_ModelServiceImportRequest__Output, _athanor_v1_ModelServiceImportResponse__Output>
  ImportUpload: MethodDefinition<_athanor_v1_ModelServiceImportUploadRequest, _athanor_v1_ModelServiceImportUploadResponse, _athanor_v1_ModelServiceImportUploadRequest__Output, _athanor_v1_ModelServiceImportUploadResponse__Output>
  List: MethodDefinition<_athanor_v1_ModelServiceListRequest, _athanor_v1_ModelServiceListResponse, _athanor_v1_ModelServiceListRequest__Output, _athanor_v1_ModelServiceListResponse__Output>
  Load: MethodDefinition<_athanor_v1_ModelServiceLoadRequest, _athanor_v1_ModelServiceLoadResponse, _athanor_v1_ModelServiceLoadRequest__Output, _athanor_v1_ModelServiceLoadResponse__Output>
  Promote: MethodDefinition<_athanor_v1_ModelServicePromoteRequest, _athanor_v1_ModelServicePromoteResponse, _athanor_v1_ModelServicePromoteRequest__Output, _athanor_v1_ModelServicePromoteResponse__Output>
  Promotions: MethodDefinition<_athanor_v1_ModelServicePromotionsRequest, _athanor_v1_ModelServicePromotionsResponse, _athanor_v1_ModelServicePromotionsRequest__Output, _athanor_v1_ModelServicePromotionsResponse__Output>
  RollBack: MethodDefinition<_athanor_v1_ModelServiceRollBackRequest, _athanor_v1_ModelServiceRollBackResponse, _athanor_v1_ModelServiceRollBackRequest__Output, _athanor_v1_ModelServiceRollBackResponse__Output>
  Unload: MethodDefinition<_athanor_v1_ModelServiceUnloadRequest, _athanor_v1_ModelServiceUnloadResponse, _athanor_v1_ModelServiceUnloadRequest__Output, _athanor_v1_ModelServiceUnloadResponse__Output>
}
