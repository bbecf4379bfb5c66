// compress: methods that change how parameters are stored, and the recipes that order them.
export {
  type Calibration,
  type InputMoments,
  type PairWindow,
  type PairWindows,
  type TokenWindows,
  WindowCalibration,
  type WindowCalibrationOptions,
} from './calibration.ts';
export { type CompressionReport, compressModel } from './compress-model.ts';
export { SvdSolver } from './decomposition/svd.ts';
export type { KroneckerSettings } from './kronecker/settings.ts';
export type { LowRankSettings } from './low-rank/settings.ts';
export type { CompressionEnvironment, LayerReport, Method, MethodReport, MethodResult } from './method.ts';
export { nearestNames } from './nearest-name.ts';
export { matchesPattern, type PathPatterns, selectMatrices } from './patterns.ts';
export type { QuantizeSettings } from './quantize/settings.ts';
export { givenValue, parseRecipe, type Recipe, type RecipeStep, type RegisteredMethod, register } from './recipe.ts';
export { methods } from './registry.ts';
