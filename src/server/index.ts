// server: the gRPC services, their map of errors, and a client of the same contract.
export { AthanorClient, type CallOptions, type ClientMethod } from './client.ts';
export type { CompressSpec as CompressSpecMessage } from './gen/athanor/v1/CompressSpec.ts';
export type { DistillSpec as DistillSpecMessage } from './gen/athanor/v1/DistillSpec.ts';
export type { EvaluateSpec as EvaluateSpecMessage } from './gen/athanor/v1/EvaluateSpec.ts';
export type { EvaluationReport__Output as ReportMessage } from './gen/athanor/v1/EvaluationReport.ts';
export type { FileChunk as FileChunkMessage } from './gen/athanor/v1/FileChunk.ts';
export type { JobEvent__Output as JobEventMessage } from './gen/athanor/v1/JobEvent.ts';
export type { JobInfo__Output as JobInfoMessage } from './gen/athanor/v1/JobInfo.ts';
export type { JobProgress__Output as JobProgressMessage } from './gen/athanor/v1/JobProgress.ts';
export type { JobResult__Output as JobResultMessage } from './gen/athanor/v1/JobResult.ts';
export type { ModelInfo__Output as ModelMessage } from './gen/athanor/v1/ModelInfo.ts';
export type { ModelServiceImportUploadRequest as UploadMessage } from './gen/athanor/v1/ModelServiceImportUploadRequest.ts';
export type { TextData as TextDataMessage } from './gen/athanor/v1/TextData.ts';
export { maxMessageBytes } from './protocol.ts';
export { AthanorServer, type ServerOptions, type StopOptions } from './server.ts';
export type { ModelCatalogue } from './services/model-service.ts';
export { fileChunks } from './services/uploads.ts';
export { decodeStatusDetails, encodeStatusDetails, type StatusDetails } from './status-details.ts';
