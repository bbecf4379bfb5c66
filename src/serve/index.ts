// serve: generation with a key-value cache kept in place, many requests side by side.

export {
  Batcher,
  type BatcherOptions,
  type Deliver,
  type Step,
  type StepExecutor,
  type StepShare,
} from './batcher.ts';
export { type Arrangement, blockTokens, CacheGrid, type RowCopy } from './cache-grid.ts';
export { type CheckedRequest, checkRequest } from './check-request.ts';
export { chooseHere, type TokenChooser } from './choice.ts';
export { chooserFor, ThreadChooser } from './choice-thread.ts';
export { type ComputeMode, computeModes } from './compute-forms.ts';
export { type ContinuationOptions, continuations } from './continuations.ts';
export { DeviceTurns, deviceTurns } from './device-turns.ts';
export { type DraftRequest, proposeTokens } from './draft-sequence.ts';
export { EncoderRunner } from './encoder-runner.ts';
export {
  type GeneratedSequences,
  generateSequences,
  SequenceGenerator,
  type SequenceSettings,
  searchDriver,
} from './generate-sequences.ts';
export { type Drafter, Generation, type GenerationOptions } from './generation.ts';
export { largestIds } from './largest-ids.ts';
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
export { LoadedSequences, type SequenceOptions } from './loaded-sequences.ts';
export { rankToken, type TokenRanks } from './log-probabilities.ts';
export { LogitRules, type LogitRulesOptions } from './logit-rules.ts';
export type { MaskCandidate } from './mask-candidates.ts';
export { ModelRunner } from './model-runner.ts';
export type { NewSequence, Plan, SchedulerGauges, SchedulerOptions, Share } from './plan.ts';
export type { FinishReason, GenerationEvent, GenerationRequest, LikelyToken, TokenLogprobs, Usage } from './request.ts';
export { RowBatcher, type RowBatcherOptions, type RowExecutor, type SubmitOptions } from './row-batcher.ts';
export { lengthBucket, type QueuedRow, type RowGauges, type RowPlan, RowQueue, type RowQueueOptions } from './row-queue.ts';
export { type SampledContext, Sampler } from './sampler.ts';
export { checkSampling, type SamplingOptions } from './sampling-options.ts';
export { Scheduler } from './scheduler.ts';
export type { BestToken, Outcome, RanTokens, Sequence, StepResult, WantedLogits } from './sequence.ts';
export type { TargetDefaults } from './sequence-request.ts';
export { planServing, type ServingMemory, type ServingSizes } from './serving-memory.ts';
export { type Proposal, type Verdict, verifyProposal } from './speculative.ts';
export { type FoundTarget, startSearch } from './target-search.ts';
export { requireTask, type TaskCall } from './task-check.ts';
export { drawToken, probabilityOf, type TokenDistribution, tokenDistribution } from './token-distribution.ts';
export type { SequenceId } from './waiting-list.ts';
