import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Calibration as _athanor_v1_Calibration, Calibration__Output as _athanor_v1_Calibration__Output } from './athanor/v1/Calibration.ts';
import type { CalibrationManifest as _athanor_v1_CalibrationManifest, CalibrationManifest__Output as _athanor_v1_CalibrationManifest__Output } from './athanor/v1/CalibrationManifest.ts';
import type { ClassificationReport as _athanor_v1_ClassificationReport, ClassificationReport__Output as _athanor_v1_ClassificationReport__Output } from './athanor/v1/ClassificationReport.ts';
import type { CompressResult as _athanor_v1_CompressResult, CompressResult__Output as _athanor_v1_CompressResult__Output } from './athanor/v1/CompressResult.ts';
import type { CompressSpec as _athanor_v1_CompressSpec, CompressSpec__Output as _athanor_v1_CompressSpec__Output } from './athanor/v1/CompressSpec.ts';
import type { Distill as _athanor_v1_Distill, Distill__Output as _athanor_v1_Distill__Output } from './athanor/v1/Distill.ts';
import type { DistillLoss as _athanor_v1_DistillLoss, DistillLoss__Output as _athanor_v1_DistillLoss__Output } from './athanor/v1/DistillLoss.ts';
import type { DistillResult as _athanor_v1_DistillResult, DistillResult__Output as _athanor_v1_DistillResult__Output } from './athanor/v1/DistillResult.ts';
import type { DistillSettings as _athanor_v1_DistillSettings, DistillSettings__Output as _athanor_v1_DistillSettings__Output } from './athanor/v1/DistillSettings.ts';
import type { DistillSpec as _athanor_v1_DistillSpec, DistillSpec__Output as _athanor_v1_DistillSpec__Output } from './athanor/v1/DistillSpec.ts';
import type { DistillTeacher as _athanor_v1_DistillTeacher, DistillTeacher__Output as _athanor_v1_DistillTeacher__Output } from './athanor/v1/DistillTeacher.ts';
import type { EvaluateRequest as _athanor_v1_EvaluateRequest, EvaluateRequest__Output as _athanor_v1_EvaluateRequest__Output } from './athanor/v1/EvaluateRequest.ts';
import type { EvaluateResponse as _athanor_v1_EvaluateResponse, EvaluateResponse__Output as _athanor_v1_EvaluateResponse__Output } from './athanor/v1/EvaluateResponse.ts';
import type { EvaluateResult as _athanor_v1_EvaluateResult, EvaluateResult__Output as _athanor_v1_EvaluateResult__Output } from './athanor/v1/EvaluateResult.ts';
import type { EvaluateSettings as _athanor_v1_EvaluateSettings, EvaluateSettings__Output as _athanor_v1_EvaluateSettings__Output } from './athanor/v1/EvaluateSettings.ts';
import type { EvaluateSpec as _athanor_v1_EvaluateSpec, EvaluateSpec__Output as _athanor_v1_EvaluateSpec__Output } from './athanor/v1/EvaluateSpec.ts';
import type { EvaluationReport as _athanor_v1_EvaluationReport, EvaluationReport__Output as _athanor_v1_EvaluationReport__Output } from './athanor/v1/EvaluationReport.ts';
import type { EvaluationServiceClient as _athanor_v1_EvaluationServiceClient, EvaluationServiceDefinition as _athanor_v1_EvaluationServiceDefinition } from './athanor/v1/EvaluationService.ts';
import type { ExportResult as _athanor_v1_ExportResult, ExportResult__Output as _athanor_v1_ExportResult__Output } from './athanor/v1/ExportResult.ts';
import type { ExportSpec as _athanor_v1_ExportSpec, ExportSpec__Output as _athanor_v1_ExportSpec__Output } from './athanor/v1/ExportSpec.ts';
import type { ExportedFile as _athanor_v1_ExportedFile, ExportedFile__Output as _athanor_v1_ExportedFile__Output } from './athanor/v1/ExportedFile.ts';
import type { FactorizeEmbedding as _athanor_v1_FactorizeEmbedding, FactorizeEmbedding__Output as _athanor_v1_FactorizeEmbedding__Output } from './athanor/v1/FactorizeEmbedding.ts';
import type { FileChunk as _athanor_v1_FileChunk, FileChunk__Output as _athanor_v1_FileChunk__Output } from './athanor/v1/FileChunk.ts';
import type { Finetune as _athanor_v1_Finetune, Finetune__Output as _athanor_v1_Finetune__Output } from './athanor/v1/Finetune.ts';
import type { Flop as _athanor_v1_Flop, Flop__Output as _athanor_v1_Flop__Output } from './athanor/v1/Flop.ts';
import type { Gate as _athanor_v1_Gate, Gate__Output as _athanor_v1_Gate__Output } from './athanor/v1/Gate.ts';
import type { GateReport as _athanor_v1_GateReport, GateReport__Output as _athanor_v1_GateReport__Output } from './athanor/v1/GateReport.ts';
import type { Halting as _athanor_v1_Halting, Halting__Output as _athanor_v1_Halting__Output } from './athanor/v1/Halting.ts';
import type { HiddenTokenReport as _athanor_v1_HiddenTokenReport, HiddenTokenReport__Output as _athanor_v1_HiddenTokenReport__Output } from './athanor/v1/HiddenTokenReport.ts';
import type { ImportResult as _athanor_v1_ImportResult, ImportResult__Output as _athanor_v1_ImportResult__Output } from './athanor/v1/ImportResult.ts';
import type { ImportSpec as _athanor_v1_ImportSpec, ImportSpec__Output as _athanor_v1_ImportSpec__Output } from './athanor/v1/ImportSpec.ts';
import type { JobError as _athanor_v1_JobError, JobError__Output as _athanor_v1_JobError__Output } from './athanor/v1/JobError.ts';
import type { JobEvent as _athanor_v1_JobEvent, JobEvent__Output as _athanor_v1_JobEvent__Output } from './athanor/v1/JobEvent.ts';
import type { JobInfo as _athanor_v1_JobInfo, JobInfo__Output as _athanor_v1_JobInfo__Output } from './athanor/v1/JobInfo.ts';
import type { JobProgress as _athanor_v1_JobProgress, JobProgress__Output as _athanor_v1_JobProgress__Output } from './athanor/v1/JobProgress.ts';
import type { JobResult as _athanor_v1_JobResult, JobResult__Output as _athanor_v1_JobResult__Output } from './athanor/v1/JobResult.ts';
import type { JobServiceClient as _athanor_v1_JobServiceClient, JobServiceDefinition as _athanor_v1_JobServiceDefinition } from './athanor/v1/JobService.ts';
import type { JobServiceCancelRequest as _athanor_v1_JobServiceCancelRequest, JobServiceCancelRequest__Output as _athanor_v1_JobServiceCancelRequest__Output } from './athanor/v1/JobServiceCancelRequest.ts';
import type { JobServiceCancelResponse as _athanor_v1_JobServiceCancelResponse, JobServiceCancelResponse__Output as _athanor_v1_JobServiceCancelResponse__Output } from './athanor/v1/JobServiceCancelResponse.ts';
import type { JobServiceForgetRequest as _athanor_v1_JobServiceForgetRequest, JobServiceForgetRequest__Output as _athanor_v1_JobServiceForgetRequest__Output } from './athanor/v1/JobServiceForgetRequest.ts';
import type { JobServiceForgetResponse as _athanor_v1_JobServiceForgetResponse, JobServiceForgetResponse__Output as _athanor_v1_JobServiceForgetResponse__Output } from './athanor/v1/JobServiceForgetResponse.ts';
import type { JobServiceGetRequest as _athanor_v1_JobServiceGetRequest, JobServiceGetRequest__Output as _athanor_v1_JobServiceGetRequest__Output } from './athanor/v1/JobServiceGetRequest.ts';
import type { JobServiceGetResponse as _athanor_v1_JobServiceGetResponse, JobServiceGetResponse__Output as _athanor_v1_JobServiceGetResponse__Output } from './athanor/v1/JobServiceGetResponse.ts';
import type { JobServiceListRequest as _athanor_v1_JobServiceListRequest, JobServiceListRequest__Output as _athanor_v1_JobServiceListRequest__Output } from './athanor/v1/JobServiceListRequest.ts';
import type { JobServiceListResponse as _athanor_v1_JobServiceListResponse, JobServiceListResponse__Output as _athanor_v1_JobServiceListResponse__Output } from './athanor/v1/JobServiceListResponse.ts';
import type { JobServicePauseRequest as _athanor_v1_JobServicePauseRequest, JobServicePauseRequest__Output as _athanor_v1_JobServicePauseRequest__Output } from './athanor/v1/JobServicePauseRequest.ts';
import type { JobServicePauseResponse as _athanor_v1_JobServicePauseResponse, JobServicePauseResponse__Output as _athanor_v1_JobServicePauseResponse__Output } from './athanor/v1/JobServicePauseResponse.ts';
import type { JobServiceResumeRequest as _athanor_v1_JobServiceResumeRequest, JobServiceResumeRequest__Output as _athanor_v1_JobServiceResumeRequest__Output } from './athanor/v1/JobServiceResumeRequest.ts';
import type { JobServiceResumeResponse as _athanor_v1_JobServiceResumeResponse, JobServiceResumeResponse__Output as _athanor_v1_JobServiceResumeResponse__Output } from './athanor/v1/JobServiceResumeResponse.ts';
import type { JobServiceRetryRequest as _athanor_v1_JobServiceRetryRequest, JobServiceRetryRequest__Output as _athanor_v1_JobServiceRetryRequest__Output } from './athanor/v1/JobServiceRetryRequest.ts';
import type { JobServiceRetryResponse as _athanor_v1_JobServiceRetryResponse, JobServiceRetryResponse__Output as _athanor_v1_JobServiceRetryResponse__Output } from './athanor/v1/JobServiceRetryResponse.ts';
import type { JobServiceSubmitRequest as _athanor_v1_JobServiceSubmitRequest, JobServiceSubmitRequest__Output as _athanor_v1_JobServiceSubmitRequest__Output } from './athanor/v1/JobServiceSubmitRequest.ts';
import type { JobServiceSubmitResponse as _athanor_v1_JobServiceSubmitResponse, JobServiceSubmitResponse__Output as _athanor_v1_JobServiceSubmitResponse__Output } from './athanor/v1/JobServiceSubmitResponse.ts';
import type { JobServiceWatchRequest as _athanor_v1_JobServiceWatchRequest, JobServiceWatchRequest__Output as _athanor_v1_JobServiceWatchRequest__Output } from './athanor/v1/JobServiceWatchRequest.ts';
import type { JobServiceWatchResponse as _athanor_v1_JobServiceWatchResponse, JobServiceWatchResponse__Output as _athanor_v1_JobServiceWatchResponse__Output } from './athanor/v1/JobServiceWatchResponse.ts';
import type { JobSpec as _athanor_v1_JobSpec, JobSpec__Output as _athanor_v1_JobSpec__Output } from './athanor/v1/JobSpec.ts';
import type { JobStateChange as _athanor_v1_JobStateChange, JobStateChange__Output as _athanor_v1_JobStateChange__Output } from './athanor/v1/JobStateChange.ts';
import type { Kronecker as _athanor_v1_Kronecker, Kronecker__Output as _athanor_v1_Kronecker__Output } from './athanor/v1/Kronecker.ts';
import type { LabelledRows as _athanor_v1_LabelledRows, LabelledRows__Output as _athanor_v1_LabelledRows__Output } from './athanor/v1/LabelledRows.ts';
import type { Ladder as _athanor_v1_Ladder, Ladder__Output as _athanor_v1_Ladder__Output } from './athanor/v1/Ladder.ts';
import type { Latency as _athanor_v1_Latency, Latency__Output as _athanor_v1_Latency__Output } from './athanor/v1/Latency.ts';
import type { LayerPair as _athanor_v1_LayerPair, LayerPair__Output as _athanor_v1_LayerPair__Output } from './athanor/v1/LayerPair.ts';
import type { Lineage as _athanor_v1_Lineage, Lineage__Output as _athanor_v1_Lineage__Output } from './athanor/v1/Lineage.ts';
import type { Lora as _athanor_v1_Lora, Lora__Output as _athanor_v1_Lora__Output } from './athanor/v1/Lora.ts';
import type { LowRank as _athanor_v1_LowRank, LowRank__Output as _athanor_v1_LowRank__Output } from './athanor/v1/LowRank.ts';
import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from './athanor/v1/MemoryReport.ts';
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
import type { OnPolicy as _athanor_v1_OnPolicy, OnPolicy__Output as _athanor_v1_OnPolicy__Output } from './athanor/v1/OnPolicy.ts';
import type { PairRows as _athanor_v1_PairRows, PairRows__Output as _athanor_v1_PairRows__Output } from './athanor/v1/PairRows.ts';
import type { ParameterChange as _athanor_v1_ParameterChange, ParameterChange__Output as _athanor_v1_ParameterChange__Output } from './athanor/v1/ParameterChange.ts';
import type { ParameterInfo as _athanor_v1_ParameterInfo, ParameterInfo__Output as _athanor_v1_ParameterInfo__Output } from './athanor/v1/ParameterInfo.ts';
import type { Parent as _athanor_v1_Parent, Parent__Output as _athanor_v1_Parent__Output } from './athanor/v1/Parent.ts';
import type { PolicyGradient as _athanor_v1_PolicyGradient, PolicyGradient__Output as _athanor_v1_PolicyGradient__Output } from './athanor/v1/PolicyGradient.ts';
import type { Promotion as _athanor_v1_Promotion, Promotion__Output as _athanor_v1_Promotion__Output } from './athanor/v1/Promotion.ts';
import type { Prune as _athanor_v1_Prune, Prune__Output as _athanor_v1_Prune__Output } from './athanor/v1/Prune.ts';
import type { Qat as _athanor_v1_Qat, Qat__Output as _athanor_v1_Qat__Output } from './athanor/v1/Qat.ts';
import type { Quantize as _athanor_v1_Quantize, Quantize__Output as _athanor_v1_Quantize__Output } from './athanor/v1/Quantize.ts';
import type { Recipe as _athanor_v1_Recipe, Recipe__Output as _athanor_v1_Recipe__Output } from './athanor/v1/Recipe.ts';
import type { RecipeStep as _athanor_v1_RecipeStep, RecipeStep__Output as _athanor_v1_RecipeStep__Output } from './athanor/v1/RecipeStep.ts';
import type { RecipeStop as _athanor_v1_RecipeStop, RecipeStop__Output as _athanor_v1_RecipeStop__Output } from './athanor/v1/RecipeStop.ts';
import type { RecordResult as _athanor_v1_RecordResult, RecordResult__Output as _athanor_v1_RecordResult__Output } from './athanor/v1/RecordResult.ts';
import type { RecordSettings as _athanor_v1_RecordSettings, RecordSettings__Output as _athanor_v1_RecordSettings__Output } from './athanor/v1/RecordSettings.ts';
import type { RecordSpec as _athanor_v1_RecordSpec, RecordSpec__Output as _athanor_v1_RecordSpec__Output } from './athanor/v1/RecordSpec.ts';
import type { SafeEmbedding as _athanor_v1_SafeEmbedding, SafeEmbedding__Output as _athanor_v1_SafeEmbedding__Output } from './athanor/v1/SafeEmbedding.ts';
import type { Search as _athanor_v1_Search, Search__Output as _athanor_v1_Search__Output } from './athanor/v1/Search.ts';
import type { SearchBudget as _athanor_v1_SearchBudget, SearchBudget__Output as _athanor_v1_SearchBudget__Output } from './athanor/v1/SearchBudget.ts';
import type { SearchCandidate as _athanor_v1_SearchCandidate, SearchCandidate__Output as _athanor_v1_SearchCandidate__Output } from './athanor/v1/SearchCandidate.ts';
import type { SearchReport as _athanor_v1_SearchReport, SearchReport__Output as _athanor_v1_SearchReport__Output } from './athanor/v1/SearchReport.ts';
import type { SearchTarget as _athanor_v1_SearchTarget, SearchTarget__Output as _athanor_v1_SearchTarget__Output } from './athanor/v1/SearchTarget.ts';
import type { SearchTrial as _athanor_v1_SearchTrial, SearchTrial__Output as _athanor_v1_SearchTrial__Output } from './athanor/v1/SearchTrial.ts';
import type { SequenceLevel as _athanor_v1_SequenceLevel, SequenceLevel__Output as _athanor_v1_SequenceLevel__Output } from './athanor/v1/SequenceLevel.ts';
import type { SequenceReport as _athanor_v1_SequenceReport, SequenceReport__Output as _athanor_v1_SequenceReport__Output } from './athanor/v1/SequenceReport.ts';
import type { Share as _athanor_v1_Share, Share__Output as _athanor_v1_Share__Output } from './athanor/v1/Share.ts';
import type { StepReport as _athanor_v1_StepReport, StepReport__Output as _athanor_v1_StepReport__Output } from './athanor/v1/StepReport.ts';
import type { StoredTensor as _athanor_v1_StoredTensor, StoredTensor__Output as _athanor_v1_StoredTensor__Output } from './athanor/v1/StoredTensor.ts';
import type { TextData as _athanor_v1_TextData, TextData__Output as _athanor_v1_TextData__Output } from './athanor/v1/TextData.ts';
import type { Theseus as _athanor_v1_Theseus, Theseus__Output as _athanor_v1_Theseus__Output } from './athanor/v1/Theseus.ts';
import type { Thresholds as _athanor_v1_Thresholds, Thresholds__Output as _athanor_v1_Thresholds__Output } from './athanor/v1/Thresholds.ts';
import type { Train as _athanor_v1_Train, Train__Output as _athanor_v1_Train__Output } from './athanor/v1/Train.ts';
import type { Training as _athanor_v1_Training, Training__Output as _athanor_v1_Training__Output } from './athanor/v1/Training.ts';
import type { UploadHeader as _athanor_v1_UploadHeader, UploadHeader__Output as _athanor_v1_UploadHeader__Output } from './athanor/v1/UploadHeader.ts';
import type { Verification as _athanor_v1_Verification, Verification__Output as _athanor_v1_Verification__Output } from './athanor/v1/Verification.ts';
import type { WarmStart as _athanor_v1_WarmStart, WarmStart__Output as _athanor_v1_WarmStart__Output } from './athanor/v1/WarmStart.ts';
import type { WeightSchedule as _athanor_v1_WeightSchedule, WeightSchedule__Output as _athanor_v1_WeightSchedule__Output } from './athanor/v1/WeightSchedule.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  athanor: {
    v1: {
      Calibration: MessageTypeDefinition<_athanor_v1_Calibration, _athanor_v1_Calibration__Output>
      CalibrationManifest: MessageTypeDefinition<_athanor_v1_CalibrationManifest, _athanor_v1_CalibrationManifest__Output>
      ClassificationReport: MessageTypeDefinition<_athanor_v1_ClassificationReport, _athanor_v1_ClassificationReport__Output>
      CompressResult: MessageTypeDefinition<_athanor_v1_CompressResult, _athanor_v1_CompressResult__Output>
      CompressSpec: MessageTypeDefinition<_athanor_v1_CompressSpec, _athanor_v1_CompressSpec__Output>
      Distill: MessageTypeDefinition<_athanor_v1_Distill, _athanor_v1_Distill__Output>
      DistillLoss: MessageTypeDefinition<_athanor_v1_DistillLoss, _athanor_v1_DistillLoss__Output>
      DistillResult: MessageTypeDefinition<_athanor_v1_DistillResult, _athanor_v1_DistillResult__Output>
      DistillSettings: MessageTypeDefinition<_athanor_v1_DistillSettings, _athanor_v1_DistillSettings__Output>
      DistillSpec: MessageTypeDefinition<_athanor_v1_DistillSpec, _athanor_v1_DistillSpec__Output>
      DistillTeacher: MessageTypeDefinition<_athanor_v1_DistillTeacher, _athanor_v1_DistillTeacher__Output>
      EvaluateRequest: MessageTypeDefinition<_athanor_v1_EvaluateRequest, _athanor_v1_EvaluateRequest__Output>
      EvaluateResponse: MessageTypeDefinition<_athanor_v1_EvaluateResponse, _athanor_v1_EvaluateResponse__Output>
      EvaluateResult: MessageTypeDefinition<_athanor_v1_EvaluateResult, _athanor_v1_EvaluateResult__Output>
      EvaluateSettings: MessageTypeDefinition<_athanor_v1_EvaluateSettings, _athanor_v1_EvaluateSettings__Output>
      EvaluateSpec: MessageTypeDefinition<_athanor_v1_EvaluateSpec, _athanor_v1_EvaluateSpec__Output>
      EvaluationReport: MessageTypeDefinition<_athanor_v1_EvaluationReport, _athanor_v1_EvaluationReport__Output>
      /**
       * Measures models.
       */
      EvaluationService: SubtypeConstructor<typeof grpc.Client, _athanor_v1_EvaluationServiceClient> & { service: _athanor_v1_EvaluationServiceDefinition }
      ExportFormat: EnumTypeDefinition
      ExportResult: MessageTypeDefinition<_athanor_v1_ExportResult, _athanor_v1_ExportResult__Output>
      ExportSpec: MessageTypeDefinition<_athanor_v1_ExportSpec, _athanor_v1_ExportSpec__Output>
      ExportedFile: MessageTypeDefinition<_athanor_v1_ExportedFile, _athanor_v1_ExportedFile__Output>
      FactorizeEmbedding: MessageTypeDefinition<_athanor_v1_FactorizeEmbedding, _athanor_v1_FactorizeEmbedding__Output>
      FileChunk: MessageTypeDefinition<_athanor_v1_FileChunk, _athanor_v1_FileChunk__Output>
      Finetune: MessageTypeDefinition<_athanor_v1_Finetune, _athanor_v1_Finetune__Output>
      Flop: MessageTypeDefinition<_athanor_v1_Flop, _athanor_v1_Flop__Output>
      Gate: MessageTypeDefinition<_athanor_v1_Gate, _athanor_v1_Gate__Output>
      GateReport: MessageTypeDefinition<_athanor_v1_GateReport, _athanor_v1_GateReport__Output>
      Halting: MessageTypeDefinition<_athanor_v1_Halting, _athanor_v1_Halting__Output>
      HiddenTokenReport: MessageTypeDefinition<_athanor_v1_HiddenTokenReport, _athanor_v1_HiddenTokenReport__Output>
      ImportResult: MessageTypeDefinition<_athanor_v1_ImportResult, _athanor_v1_ImportResult__Output>
      ImportSpec: MessageTypeDefinition<_athanor_v1_ImportSpec, _athanor_v1_ImportSpec__Output>
      JobError: MessageTypeDefinition<_athanor_v1_JobError, _athanor_v1_JobError__Output>
      JobEvent: MessageTypeDefinition<_athanor_v1_JobEvent, _athanor_v1_JobEvent__Output>
      JobInfo: MessageTypeDefinition<_athanor_v1_JobInfo, _athanor_v1_JobInfo__Output>
      JobProgress: MessageTypeDefinition<_athanor_v1_JobProgress, _athanor_v1_JobProgress__Output>
      JobResult: MessageTypeDefinition<_athanor_v1_JobResult, _athanor_v1_JobResult__Output>
      /**
       * The durable jobs of one server.
       */
      JobService: SubtypeConstructor<typeof grpc.Client, _athanor_v1_JobServiceClient> & { service: _athanor_v1_JobServiceDefinition }
      JobServiceCancelRequest: MessageTypeDefinition<_athanor_v1_JobServiceCancelRequest, _athanor_v1_JobServiceCancelRequest__Output>
      JobServiceCancelResponse: MessageTypeDefinition<_athanor_v1_JobServiceCancelResponse, _athanor_v1_JobServiceCancelResponse__Output>
      JobServiceForgetRequest: MessageTypeDefinition<_athanor_v1_JobServiceForgetRequest, _athanor_v1_JobServiceForgetRequest__Output>
      JobServiceForgetResponse: MessageTypeDefinition<_athanor_v1_JobServiceForgetResponse, _athanor_v1_JobServiceForgetResponse__Output>
      JobServiceGetRequest: MessageTypeDefinition<_athanor_v1_JobServiceGetRequest, _athanor_v1_JobServiceGetRequest__Output>
      JobServiceGetResponse: MessageTypeDefinition<_athanor_v1_JobServiceGetResponse, _athanor_v1_JobServiceGetResponse__Output>
      JobServiceListRequest: MessageTypeDefinition<_athanor_v1_JobServiceListRequest, _athanor_v1_JobServiceListRequest__Output>
      JobServiceListResponse: MessageTypeDefinition<_athanor_v1_JobServiceListResponse, _athanor_v1_JobServiceListResponse__Output>
      JobServicePauseRequest: MessageTypeDefinition<_athanor_v1_JobServicePauseRequest, _athanor_v1_JobServicePauseRequest__Output>
      JobServicePauseResponse: MessageTypeDefinition<_athanor_v1_JobServicePauseResponse, _athanor_v1_JobServicePauseResponse__Output>
      JobServiceResumeRequest: MessageTypeDefinition<_athanor_v1_JobServiceResumeRequest, _athanor_v1_JobServiceResumeRequest__Output>
      JobServiceResumeResponse: MessageTypeDefinition<_athanor_v1_JobServiceResumeResponse, _athanor_v1_JobServiceResumeResponse__Output>
      JobServiceRetryRequest: MessageTypeDefinition<_athanor_v1_JobServiceRetryRequest, _athanor_v1_JobServiceRetryRequest__Output>
      JobServiceRetryResponse: MessageTypeDefinition<_athanor_v1_JobServiceRetryResponse, _athanor_v1_JobServiceRetryResponse__Output>
      JobServiceSubmitRequest: MessageTypeDefinition<_athanor_v1_JobServiceSubmitRequest, _athanor_v1_JobServiceSubmitRequest__Output>
      JobServiceSubmitResponse: MessageTypeDefinition<_athanor_v1_JobServiceSubmitResponse, _athanor_v1_JobServiceSubmitResponse__Output>
      JobServiceWatchRequest: MessageTypeDefinition<_athanor_v1_JobServiceWatchRequest, _athanor_v1_JobServiceWatchRequest__Output>
      JobServiceWatchResponse: MessageTypeDefinition<_athanor_v1_JobServiceWatchResponse, _athanor_v1_JobServiceWatchResponse__Output>
      JobSpec: MessageTypeDefinition<_athanor_v1_JobSpec, _athanor_v1_JobSpec__Output>
      JobState: EnumTypeDefinition
      JobStateChange: MessageTypeDefinition<_athanor_v1_JobStateChange, _athanor_v1_JobStateChange__Output>
      Kronecker: MessageTypeDefinition<_athanor_v1_Kronecker, _athanor_v1_Kronecker__Output>
      LabelledRows: MessageTypeDefinition<_athanor_v1_LabelledRows, _athanor_v1_LabelledRows__Output>
      Ladder: MessageTypeDefinition<_athanor_v1_Ladder, _athanor_v1_Ladder__Output>
      Latency: MessageTypeDefinition<_athanor_v1_Latency, _athanor_v1_Latency__Output>
      LayerPair: MessageTypeDefinition<_athanor_v1_LayerPair, _athanor_v1_LayerPair__Output>
      Lineage: MessageTypeDefinition<_athanor_v1_Lineage, _athanor_v1_Lineage__Output>
      Lora: MessageTypeDefinition<_athanor_v1_Lora, _athanor_v1_Lora__Output>
      LowRank: MessageTypeDefinition<_athanor_v1_LowRank, _athanor_v1_LowRank__Output>
      MemoryReport: MessageTypeDefinition<_athanor_v1_MemoryReport, _athanor_v1_MemoryReport__Output>
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
      OnPolicy: MessageTypeDefinition<_athanor_v1_OnPolicy, _athanor_v1_OnPolicy__Output>
      PairRows: MessageTypeDefinition<_athanor_v1_PairRows, _athanor_v1_PairRows__Output>
      ParameterChange: MessageTypeDefinition<_athanor_v1_ParameterChange, _athanor_v1_ParameterChange__Output>
      ParameterInfo: MessageTypeDefinition<_athanor_v1_ParameterInfo, _athanor_v1_ParameterInfo__Output>
      Parent: MessageTypeDefinition<_athanor_v1_Parent, _athanor_v1_Parent__Output>
      PolicyGradient: MessageTypeDefinition<_athanor_v1_PolicyGradient, _athanor_v1_PolicyGradient__Output>
      Promotion: MessageTypeDefinition<_athanor_v1_Promotion, _athanor_v1_Promotion__Output>
      Prune: MessageTypeDefinition<_athanor_v1_Prune, _athanor_v1_Prune__Output>
      Qat: MessageTypeDefinition<_athanor_v1_Qat, _athanor_v1_Qat__Output>
      Quantize: MessageTypeDefinition<_athanor_v1_Quantize, _athanor_v1_Quantize__Output>
      Recipe: MessageTypeDefinition<_athanor_v1_Recipe, _athanor_v1_Recipe__Output>
      RecipeStep: MessageTypeDefinition<_athanor_v1_RecipeStep, _athanor_v1_RecipeStep__Output>
      RecipeStop: MessageTypeDefinition<_athanor_v1_RecipeStop, _athanor_v1_RecipeStop__Output>
      RecordResult: MessageTypeDefinition<_athanor_v1_RecordResult, _athanor_v1_RecordResult__Output>
      RecordSettings: MessageTypeDefinition<_athanor_v1_RecordSettings, _athanor_v1_RecordSettings__Output>
      RecordSpec: MessageTypeDefinition<_athanor_v1_RecordSpec, _athanor_v1_RecordSpec__Output>
      SafeEmbedding: MessageTypeDefinition<_athanor_v1_SafeEmbedding, _athanor_v1_SafeEmbedding__Output>
      Search: MessageTypeDefinition<_athanor_v1_Search, _athanor_v1_Search__Output>
      SearchBudget: MessageTypeDefinition<_athanor_v1_SearchBudget, _athanor_v1_SearchBudget__Output>
      SearchCandidate: MessageTypeDefinition<_athanor_v1_SearchCandidate, _athanor_v1_SearchCandidate__Output>
      SearchReport: MessageTypeDefinition<_athanor_v1_SearchReport, _athanor_v1_SearchReport__Output>
      SearchTarget: MessageTypeDefinition<_athanor_v1_SearchTarget, _athanor_v1_SearchTarget__Output>
      SearchTrial: MessageTypeDefinition<_athanor_v1_SearchTrial, _athanor_v1_SearchTrial__Output>
      SequenceLevel: MessageTypeDefinition<_athanor_v1_SequenceLevel, _athanor_v1_SequenceLevel__Output>
      SequenceReport: MessageTypeDefinition<_athanor_v1_SequenceReport, _athanor_v1_SequenceReport__Output>
      Share: MessageTypeDefinition<_athanor_v1_Share, _athanor_v1_Share__Output>
      StepReport: MessageTypeDefinition<_athanor_v1_StepReport, _athanor_v1_StepReport__Output>
      StoredTensor: MessageTypeDefinition<_athanor_v1_StoredTensor, _athanor_v1_StoredTensor__Output>
      TextData: MessageTypeDefinition<_athanor_v1_TextData, _athanor_v1_TextData__Output>
      Theseus: MessageTypeDefinition<_athanor_v1_Theseus, _athanor_v1_Theseus__Output>
      Thresholds: MessageTypeDefinition<_athanor_v1_Thresholds, _athanor_v1_Thresholds__Output>
      Train: MessageTypeDefinition<_athanor_v1_Train, _athanor_v1_Train__Output>
      Training: MessageTypeDefinition<_athanor_v1_Training, _athanor_v1_Training__Output>
      UploadHeader: MessageTypeDefinition<_athanor_v1_UploadHeader, _athanor_v1_UploadHeader__Output>
      Verification: MessageTypeDefinition<_athanor_v1_Verification, _athanor_v1_Verification__Output>
      WarmStart: MessageTypeDefinition<_athanor_v1_WarmStart, _athanor_v1_WarmStart__Output>
      WeightSchedule: MessageTypeDefinition<_athanor_v1_WeightSchedule, _athanor_v1_WeightSchedule__Output>
    }
  }
}

