// train: objectives, the training step on a device, and the loop with checkpoints and resume.
export type { Checkpoint, CheckpointKeeper, TrainingProgress } from './checkpoint.ts';
export { buildGradientGraph, type GradientGraph, type GradientGraphOptions } from './gradient-graph.ts';
export {
  type CrossEntropyOptions,
  crossEntropyObjective,
  type Objective,
  type ObjectiveContext,
  type ObjectiveGraph,
} from './objective.ts';
export {
  defaultTrainSettings,
  makeOptimizer,
  makeSchedule,
  type OptimizerSettings,
  type TrainSettings,
  trainSettings,
} from './settings.ts';
export { type TrainRequest, type TrainResult, trainModel } from './train-model.ts';
export { type StepReport, Trainer, type TrainingBatch } from './trainer.ts';
