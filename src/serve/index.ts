// serve: generation with a key-value cache kept in place, many requests side by side.

export { Batcher, type StepExecutor, type StepShare } from './batcher.ts';
export { type GeneratedSequences, generateSequences, SequenceGenerator, type SequenceSettings } from './generate-sequences.ts';
export { Generation } from './generation.ts';
export { LoadedModel, type LoadedModelMemory, type LoadOptions } from './loaded-model.ts';
export { ModelRunner } from './model-runner.ts';
export {
  type CheckedRequest,
  checkRequest,
  type FinishReason,
  type GenerationEvent,
  type GenerationRequest,
  type Usage,
} from './request.ts';
export { checkSampling, type SampledToken, Sampler, type SamplingOptions } from './sampler.ts';
export { type Arrangement, blockTokens, CacheGrid, type RowCopy } from './cache-grid.ts';
export { DeviceTurns } from './device-turns.ts';
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
