// compress: methods that change how parameters are stored, and the recipes that order them.
export type { InputHistogram, InputRange } from './activation-statistics.ts';
export type { ActivationStore, ActivationStoreOptions } from './activation-store.ts';
export {
  type Calibration,
  type GradientSquares,
  type InputMagnitudes,
  type InputMoments,
  largestCalibrationBytes,
  type OutputMoments,
  sumsBytes,
  WindowCalibration,
  type WindowCalibrationOptions,
} from './calibration.ts';
export type { CalibrationWindows, PaddedWindow, PaddedWindows, PairWindow, PairWindows, TokenWindows } from './calibration-windows.ts';
export {
  type CompressionReport,
  checkFirstStep,
  compressModel,
  type RecipeEnvironment,
  type RecipeStop,
  type StepOutcome,
} from './compress-model.ts';
export { SvdSolver } from './decomposition/svd.ts';
export type { FactorizeEmbeddingSettings } from './factorize-embedding/settings.ts';
export type { GateReport } from './gate/verdict.ts';
export type { KroneckerSettings } from './kronecker/settings.ts';
export type { LowRankSettings } from './low-rank/settings.ts';
export type { HeldOut, Measures, RecordMemory } from './measures.ts';
export type {
  CompressionEnvironment,
  FinishedLayer,
  LayerMemory,
  LayerReport,
  Method,
  MethodReport,
  MethodResult,
  MethodTrainRequest,
  StepPlace,
  TaughtTask,
  TrainingMaterial,
} from './method.ts';
export { nearestNames } from './nearest-name.ts';
export { matchesPattern, type PathPatterns, selectMatrices } from './patterns.ts';
export type { QuantizeSettings } from './quantize/settings.ts';
export { everyStep, givenValue, parseRecipe, type Recipe, type RecipeStep, type RegisteredMethod, register } from './recipe.ts';
export { methods } from './registry.ts';
export type { SearchReport, SearchTrial } from './search/report.ts';
export { registerSearch } from './search/search.ts';
export type { SearchSettings } from './search/settings.ts';
export { type TrainedStep, trainedStep, trainOrRecall } from './train-or-recall.ts';
export { trainedPaths } from './trained-paths.ts';
