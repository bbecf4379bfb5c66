// jobs: durable work with event logs, its runner, its kinds, and the models that are held in memory.
export { failureOf, failureToError } from './failure.ts';
export { allHandlers, type HandlerOptions } from './handlers/all-handlers.ts';
export { keptExportFolder } from './handlers/export.ts';
export {
  type FinishReason,
  type GenerationEvent,
  type GenerationRequest,
  HubInference,
  type HubInferenceOptions,
  type InferenceBackend,
  type LikelyToken,
  type ServedModel,
  type TeacherQuestion,
  type TokenLogprobs,
  type Usage,
} from './inference.ts';
export { serveJobs } from './isolation/job-child.ts';
export { JobWorkers } from './isolation/job-workers.ts';
export type { ServerNotes, WorkerSettings } from './isolation/messages.ts';
export {
  isFinal,
  type JobContext,
  type JobEvent,
  type JobHandler,
  type JobRecord,
  type JobState,
  jobStates,
  type RegisteredHandler,
  registerHandler,
  type TimedProgress,
} from './job.ts';
export { JobRunner, type JobRunnerOptions } from './job-runner.ts';
export { JobStore } from './job-store.ts';
export { memoryLimitBytes } from './memory-plan.ts';
export type { ModelDescription, NamedToken } from './model-description.ts';
export { ModelHub, type ModelLease, type ModelResource } from './model-hub.ts';
export { observeModels } from './model-telemetry.ts';
export { recipeNames } from './named-recipes.ts';
export { ObservedInference } from './observed-inference.ts';
export { PathPolicy } from './path-policy.ts';
export { type Promotion, Promotions, type Thresholds, thresholdsSchema } from './promotions.ts';
export type { EvaluationReport, ExportResult, ImportResult, JobKind, JobResults, ModelRecord } from './results.ts';
export type { ExportFormat } from './specs.ts';
export { allowedTeachers } from './teachers/allowed-teachers.ts';
export type { ConnectTeacher, RemoteModel, RemoteQuestion, TeacherConnection } from './teachers/remote-teacher.ts';
export { ResultCheck } from './verification/result-check.ts';
