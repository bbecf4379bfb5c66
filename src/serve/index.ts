// serve: generation with a key-value cache kept in place, many requests side by side.

export {
  Batcher,
  type BatcherOptions,
  type Deliver,
  type Step,
  type StepExecutor,
  type StepShare,
  type WantedLogits,
} from './batcher.ts';
export { type Arrangement, blockTokens, CacheGrid, type RowCopy } from './cache-grid.ts';
export { type CheckedRequest, checkRequest } from './check-request.ts';
export { type ComputeMode, computeModes } from './compute-forms.ts';
export { DeviceTurns } from './device-turns.ts';
export { EncoderRunner } from './encoder-runner.ts';
export { type GeneratedSequences, generateSequences, SequenceGenerator, type SequenceSettings } from './generate-sequences.ts';
export { Generation } from './generation.ts';
export {
  type Classification,
  type Classifications,
  type ClassifierInput,
  type Embedding,
  type EmbedOptions,
  type FilledMasks,
  type FillMaskOptions,
  LoadedEncoder,
} from './loaded-encoder.ts';
export { defaultContextTokens, LoadedModel, type LoadedModelMemory, type LoadOptions } from './loaded-model.ts';
export { rankToken, type TokenRanks } from './log-probabilities.ts';
export type { MaskCandidate } from './mask-candidates.ts';
export { ModelRunner } from './model-runner.ts';
export type { FinishReason, GenerationEvent, GenerationRequest, LikelyToken, TokenLogprobs, Usage } from './request.ts';
export { type SampledContext, Sampler } from './sampler.ts';
export { checkSampling, type SamplingOptions } from './sampling-options.ts';
export {
  type NewSequence,
  type Plan,
  Scheduler,
  type SchedulerGauges,
  type SchedulerOptions,
  type SequenceId,
  type Share,
} from './scheduler.ts';
export type { FoundTarget } from './target-search.ts';
export { requireTask, type TaskCall } from './task-check.ts';
export { drawToken, probabilityOf, type TokenDistribution } from './token-distribution.ts';
