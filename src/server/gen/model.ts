import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { ClassificationReport as _athanor_v1_ClassificationReport, ClassificationReport__Output as _athanor_v1_ClassificationReport__Output } from './athanor/v1/ClassificationReport.ts';
import type { EvaluationReport as _athanor_v1_EvaluationReport, EvaluationReport__Output as _athanor_v1_EvaluationReport__Output } from './athanor/v1/EvaluationReport.ts';
import type { FileChunk as _athanor_v1_FileChunk, FileChunk__Output as _athanor_v1_FileChunk__Output } from './athanor/v1/FileChunk.ts';
import type { Latency as _athanor_v1_Latency, Latency__Output as _athanor_v1_Latency__Output } from './athanor/v1/Latency.ts';
import type { Lineage as _athanor_v1_Lineage, Lineage__Output as _athanor_v1_Lineage__Output } from './athanor/v1/Lineage.ts';
import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from './athanor/v1/ModelInfo.ts';
import type { ModelServiceClient as _athanor_v1_ModelServiceClient, ModelServiceDefinition as _athanor_v1_ModelServiceDefinition } from './athanor/v1/ModelService.ts';
import type { ModelServiceDeleteRequest as _athanor_v1_ModelServiceDeleteRequest, ModelServiceDeleteRequest__Output as _athanor_v1_ModelServiceDeleteRequest__Output } from './athanor/v1/ModelServiceDeleteRequest.ts';
import type { ModelServiceDeleteResponse as _athanor_v1_ModelServiceDeleteResponse, ModelServiceDeleteResponse__Output as _athanor_v1_ModelServiceDeleteResponse__Output } from './athanor/v1/ModelServiceDeleteResponse.ts';
import type { ModelServiceExportRequest as _athanor_v1_ModelServiceExportRequest, ModelServiceExportRequest__Output as _athanor_v1_ModelServiceExportRequest__Output } from './athanor/v1/ModelServiceExportRequest.ts';
import type { ModelServiceExportResponse as _athanor_v1_ModelServiceExportResponse, ModelServiceExportResponse__Output as _athanor_v1_ModelServiceExportResponse__Output } from './athanor/v1/ModelServiceExportResponse.ts';
import type { ModelServiceGetRequest as _athanor_v1_ModelServiceGetRequest, ModelServiceGetRequest__Output as _athanor_v1_ModelServiceGetRequest__Output } from './athanor/v1/ModelServiceGetRequest.ts';
import type { ModelServiceGetResponse as _athanor_v1_ModelServiceGetResponse, ModelServiceGetResponse__Output as _athanor_v1_ModelServiceGetResponse__Output } from './athanor/v1/ModelServiceGetResponse.ts';
import type { ModelServiceImportRequest as _athanor_v1_ModelServiceImportRequest, ModelServiceImportRequest__Output as _athanor_v1_ModelServiceImportRequest__Output } from './athanor/v1/ModelServiceImportRequest.ts';
import type { ModelServiceImportResponse as _athanor_v1_ModelServiceImportResponse, ModelServiceImportResponse__Output as _athanor_v1_ModelServiceImportResponse__Output } from './athanor/v1/ModelServiceImportResponse.ts';
import type { ModelServiceImportUploadRequest as _athanor_v1_ModelServiceImportUploadRequest, ModelServiceImportUploadRequest__Output as _athanor_v1_ModelServiceImportUploadRequest__Output } from './athanor/v1/ModelServiceImportUploadRequest.ts';
import type { ModelServiceImportUploadResponse as _athanor_v1_ModelServiceImportUploadResponse, ModelServiceImportUploadResponse__Output as _athanor_v1_ModelServiceImportUploadResponse__Output } from './athanor/v1/ModelServiceImportUploadResponse.ts';
import type { ModelServiceListRequest as _athanor_v1_ModelServiceListRequest, ModelServiceListRequest__Output as _athanor_v1_ModelServiceListRequest__Output } from './athanor/v1/ModelServiceListRequest.ts';
import type { ModelServiceListResponse as _athanor_v1_ModelServiceListResponse, ModelServiceListResponse__Output as _athanor_v1_ModelServiceListResponse__Output } from './athanor/v1/ModelServiceListResponse.ts';
import type { ModelServiceLoadRequest as _athanor_v1_ModelServiceLoadRequest, ModelServiceLoadRequest__Output as _athanor_v1_ModelServiceLoadRequest__Output } from './athanor/v1/ModelServiceLoadRequest.ts';
import type { ModelServiceLoadResponse as _athanor_v1_ModelServiceLoadResponse, ModelServiceLoadResponse__Output as _athanor_v1_ModelServiceLoadResponse__Output } from './athanor/v1/ModelServiceLoadResponse.ts';
import type { ModelServicePromoteRequest as _athanor_v1_ModelServicePromoteRequest, ModelServicePromoteRequest__Output as _athanor_v1_ModelServicePromoteRequest__Output } from './athanor/v1/ModelServicePromoteRequest.ts';
import type { ModelServicePromoteResponse as _athanor_v1_ModelServicePromoteResponse, ModelServicePromoteResponse__Output as _athanor_v1_ModelServicePromoteResponse__Output } from './athanor/v1/ModelServicePromoteResponse.ts';
import type { ModelServicePromotionsRequest as _athanor_v1_ModelServicePromotionsRequest, ModelServicePromotionsRequest__Output as _athanor_v1_ModelServicePromotionsRequest__Output } from './athanor/v1/ModelServicePromotionsRequest.ts';
import type { ModelServicePromotionsResponse as _athanor_v1_ModelServicePromotionsResponse, ModelServicePromotionsResponse__Output as _athanor_v1_ModelServicePromotionsResponse__Output } from './athanor/v1/ModelServicePromotionsResponse.ts';
import type { ModelServiceRollBackRequest as _athanor_v1_ModelServiceRollBackRequest, ModelServiceRollBackRequest__Output as _athanor_v1_ModelServiceRollBackRequest__Output } from './athanor/v1/ModelServiceRollBackRequest.ts';
import type { ModelServiceRollBackResponse as _athanor_v1_ModelServiceRollBackResponse, ModelServiceRollBackResponse__Output as _athanor_v1_ModelServiceRollBackResponse__Output } from './athanor/v1/ModelServiceRollBackResponse.ts';
import type { ModelServiceUnloadRequest as _athanor_v1_ModelServiceUnloadRequest, ModelServiceUnloadRequest__Output as _athanor_v1_ModelServiceUnloadRequest__Output } from './athanor/v1/ModelServiceUnloadRequest.ts';
import type { ModelServiceUnloadResponse as _athanor_v1_ModelServiceUnloadResponse, ModelServiceUnloadResponse__Output as _athanor_v1_ModelServiceUnloadResponse__Output } from './athanor/v1/ModelServiceUnloadResponse.ts';
import type { ParameterInfo as _athanor_v1_ParameterInfo, ParameterInfo__Output as _athanor_v1_ParameterInfo__Output } from './athanor/v1/ParameterInfo.ts';
import type { Parent as _athanor_v1_Parent, Parent__Output as _athanor_v1_Parent__Output } from './athanor/v1/Parent.ts';
import type { Promotion as _athanor_v1_Promotion, Promotion__Output as _athanor_v1_Promotion__Output } from './athanor/v1/Promotion.ts';
import type { SequenceReport as _athanor_v1_SequenceReport, SequenceReport__Output as _athanor_v1_SequenceReport__Output } from './athanor/v1/SequenceReport.ts';
import type { StoredTensor as _athanor_v1_StoredTensor, StoredTensor__Output as _athanor_v1_StoredTensor__Output } from './athanor/v1/StoredTensor.ts';
import type { Thresholds as _athanor_v1_Thresholds, Thresholds__Output as _athanor_v1_Thresholds__Output } from './athanor/v1/Thresholds.ts';
import type { UploadHeader as _athanor_v1_UploadHeader, UploadHeader__Output as _athanor_v1_UploadHeader__Output } from './athanor/v1/UploadHeader.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  athanor: {
    v1: {
      ClassificationReport: MessageTypeDefinition<_athanor_v1_ClassificationReport, _athanor_v1_ClassificationReport__Output>
      EvaluationReport: MessageTypeDefinition<_athanor_v1_EvaluationReport, _athanor_v1_EvaluationReport__Output>
      ExportFormat: EnumTypeDefinition
      FileChunk: MessageTypeDefinition<_athanor_v1_FileChunk, _athanor_v1_FileChunk__Output>
      Latency: MessageTypeDefinition<_athanor_v1_Latency, _athanor_v1_Latency__Output>
      Lineage: MessageTypeDefinition<_athanor_v1_Lineage, _athanor_v1_Lineage__Output>
      ModelInfo: MessageTypeDefinition<_athanor_v1_ModelInfo, _athanor_v1_ModelInfo__Output>
      /**
       * The models of one server.
       */
      ModelService: SubtypeConstructor<typeof grpc.Client, _athanor_v1_ModelServiceClient> & { service: _athanor_v1_ModelServiceDefinition }
      ModelServiceDeleteRequest: MessageTypeDefinition<_athanor_v1_ModelServiceDeleteRequest, _athanor_v1_ModelServiceDeleteRequest__Output>
      ModelServiceDeleteResponse: MessageTypeDefinition<_athanor_v1_ModelServiceDeleteResponse, _athanor_v1_ModelServiceDeleteResponse__Output>
      ModelServiceExportRequest: MessageTypeDefinition<_athanor_v1_ModelServiceExportRequest, _athanor_v1_ModelServiceExportRequest__Output>
      ModelServiceExportResponse: MessageTypeDefinition<_athanor_v1_ModelServiceExportResponse, _athanor_v1_ModelServiceExportResponse__Output>
      ModelServiceGetRequest: MessageTypeDefinition<_athanor_v1_ModelServiceGetRequest, _athanor_v1_ModelServiceGetRequest__Output>
      ModelServiceGetResponse: MessageTypeDefinition<_athanor_v1_ModelServiceGetResponse, _athanor_v1_ModelServiceGetResponse__Output>
      ModelServiceImportRequest: MessageTypeDefinition<_athanor_v1_ModelServiceImportRequest, _athanor_v1_ModelServiceImportRequest__Output>
      ModelServiceImportResponse: MessageTypeDefinition<_athanor_v1_ModelServiceImportResponse, _athanor_v1_ModelServiceImportResponse__Output>
      ModelServiceImportUploadRequest: MessageTypeDefinition<_athanor_v1_ModelServiceImportUploadRequest, _athanor_v1_ModelServiceImportUploadRequest__Output>
      ModelServiceImportUploadResponse: MessageTypeDefinition<_athanor_v1_ModelServiceImportUploadResponse, _athanor_v1_ModelServiceImportUploadResponse__Output>
      ModelServiceListRequest: MessageTypeDefinition<_athanor_v1_ModelServiceListRequest, _athanor_v1_ModelServiceListRequest__Output>
      ModelServiceListResponse: MessageTypeDefinition<_athanor_v1_ModelServiceListResponse, _athanor_v1_ModelServiceListResponse__Output>
      ModelServiceLoadRequest: MessageTypeDefinition<_athanor_v1_ModelServiceLoadRequest, _athanor_v1_ModelServiceLoadRequest__Output>
      ModelServiceLoadResponse: MessageTypeDefinition<_athanor_v1_ModelServiceLoadResponse, _athanor_v1_ModelServiceLoadResponse__Output>
      ModelServicePromoteRequest: MessageTypeDefinition<_athanor_v1_ModelServicePromoteRequest, _athanor_v1_ModelServicePromoteRequest__Output>
      ModelServicePromoteResponse: MessageTypeDefinition<_athanor_v1_ModelServicePromoteResponse, _athanor_v1_ModelServicePromoteResponse__Output>
      ModelServicePromotionsRequest: MessageTypeDefinition<_athanor_v1_ModelServicePromotionsRequest, _athanor_v1_ModelServicePromotionsRequest__Output>
      ModelServicePromotionsResponse: MessageTypeDefinition<_athanor_v1_ModelServicePromotionsResponse, _athanor_v1_ModelServicePromotionsResponse__Output>
      ModelServiceRollBackRequest: MessageTypeDefinition<_athanor_v1_ModelServiceRollBackRequest, _athanor_v1_ModelServiceRollBackRequest__Output>
      ModelServiceRollBackResponse: MessageTypeDefinition<_athanor_v1_ModelServiceRollBackResponse, _athanor_v1_ModelServiceRollBackResponse__Output>
      ModelServiceUnloadRequest: MessageTypeDefinition<_athanor_v1_ModelServiceUnloadRequest, _athanor_v1_ModelServiceUnloadRequest__Output>
      ModelServiceUnloadResponse: MessageTypeDefinition<_athanor_v1_ModelServiceUnloadResponse, _athanor_v1_ModelServiceUnloadResponse__Output>
      ParameterInfo: MessageTypeDefinition<_athanor_v1_ParameterInfo, _athanor_v1_ParameterInfo__Output>
      Parent: MessageTypeDefinition<_athanor_v1_Parent, _athanor_v1_Parent__Output>
      Promotion: MessageTypeDefinition<_athanor_v1_Promotion, _athanor_v1_Promotion__Output>
      SequenceReport: MessageTypeDefinition<_athanor_v1_SequenceReport, _athanor_v1_SequenceReport__Output>
      StoredTensor: MessageTypeDefinition<_athanor_v1_StoredTensor, _athanor_v1_StoredTensor__Output>
      Thresholds: MessageTypeDefinition<_athanor_v1_Thresholds, _athanor_v1_Thresholds__Output>
      UploadHeader: MessageTypeDefinition<_athanor_v1_UploadHeader, _athanor_v1_UploadHeader__Output>
    }
  }
}

