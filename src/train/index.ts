// train: objectives, the training step on a device, and the loop with checkpoints and resume.
export { type AskedRows, askedRows, meanOfRows } from './asked-rows.ts';
export { type BatchMoment, type BatchSource, type TextBatch, type TrainingBatch, tensorsOf } from './batch-source.ts';
export type { Checkpoint, CheckpointKeeper, TrainingProgress } from './checkpoint.ts';
export { type CrossEntropyOptions, crossEntropyObjective } from './cross-entropy.ts';
export type { EarlyStoppingOptions } from './early-stopping.ts';
export { classificationObjective, maskedObjective } from './encoder-objectives.ts';
export { type FineTuneRequest, fineTuneDefaults, fineTuneModel, type MaskedTrainRequest, trainMaskedModel } from './fine-tune.ts';
export { buildGradientGraph, type GradientGraph, type GradientGraphOptions, modelOverBatch } from './gradient-graph.ts';
export { measuredBatches, splitHeldOut } from './held-out.ts';
export { hideTokens, type MaskingOptions } from './hide-tokens.ts';
export type { Objective } from './objective.ts';
export type { ObjectiveContext, ObjectiveGraph, SchemeInGraph } from './objective-graph.ts';
export { type Precision, precisions } from './precision.ts';
export { checkProducts, type Products, productKinds } from './products.ts';
export {
  combineSchemes,
  type SchemeStep,
  type SchemeTensor,
  schemeName,
  type TrainingScheme,
} from './scheme.ts';
export {
  defaultTrainSettings,
  makeOptimizer,
  makeSchedule,
  type OptimizerSettings,
  type TrainSettings,
  trainSettings,
} from './settings.ts';
export type { TrainingStage, TrainingStages } from './stages.ts';
export { type BatchTrainRequest, type TrainRequest, type TrainResult, trainModel, trainOnBatches } from './train-model.ts';
export { type StepReport, Trainer } from './trainer.ts';
export type { LayoutOptions } from './trainer-layout.ts';
export {
  checkTrainingData,
  hiddenTokensOf,
  type LabelledData,
  type MaskedData,
  objectiveOf,
  openBatches,
  type TrainingData,
} from './training-data.ts';
export { type TrainingExamples, trainingExamples } from './training-examples.ts';
export { planTrainerMemory, type TrainingMemory, totalBytes } from './training-memory.ts';
