// serve: generation with a key-value cache kept in place, many requests side by side.

export { Batcher, type StepExecutor, type StepShare } from './batcher.ts';
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
export type { MaskCandidate } from './mask-candidates.ts';
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
export { Scheduler, type SchedulerGauges, type SchedulerOptions, type SequenceId, type Share } from './scheduler.ts';
export type { FoundTarget } from './target-search.ts';
export { requireTask, type TaskCall } from './task-check.ts';
