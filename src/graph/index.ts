// graph: the differentiable graph. Builder, ops, verifier, printer, autodiff, passes and optimizers.
export { gradients } from './autodiff/gradients.ts';
export { GraphBuilder, printType } from './builder.ts';
export {
  defineOp,
  type Emitter,
  type Int8Cache,
  type Int8Values,
  type OpDefinition,
  type Operands,
  type PackedValues,
  type Sample,
  type SampleOperand,
  type Scalarish,
  type Trait,
} from './op.ts';
export { type AdamWSettings, adamW } from './optimizers/adamw.ts';
export { buildLossScaleGraph, type LossScaleRule, lossScaleNames } from './optimizers/loss-scale.ts';
export type { Optimizer, ParameterUpdate, UpdateContext } from './optimizers/optimizer.ts';
export { learningRateAt, type Schedule, type ScheduleKind } from './optimizers/schedule.ts';
export { type SgdSettings, sgd } from './optimizers/sgd.ts';
export {
  buildNormGraph,
  buildUpdateGraph,
  globalNorm,
  gradientName,
  scalarInputName,
  stateName,
  type UpdatedParameter,
} from './optimizers/update-graph.ts';
export { countUses, topologicalOrder, valueKey } from './order.ts';
export { mixPrecision, type NarrowEnds } from './passes/mix-precision.ts';
export { type OptimizeOptions, optimizeGraph } from './passes/optimize.ts';
export { type RecomputedBlock, recomputeBlocks } from './passes/recompute-blocks.ts';
export { type Rewrite, rewriteGraph } from './passes/rewrite.ts';
export { type ProductSizes, type RoundProductsOptions, roundProducts } from './passes/round-products.ts';
export { printGraph } from './print.ts';
export { type AnyOpDefinition, type AttrsOf, attrsOf, definitionOf, type OpName, opName, ops } from './registry.ts';
export type {
  AxisAttrs,
  CastAttrs,
  ConstantAttrs,
  DepthAttrs,
  EpsilonAttrs,
  Graph,
  GraphInput,
  GraphOutput,
  GroupQueryAttentionAttrs,
  InputAttrs,
  MatmulAttrs,
  NBitsAttrs,
  Node,
  PadAttrs,
  PlainTensor,
  RangeAttrs,
  ReduceAttrs,
  RoundedMatmulAttrs,
  RowsAttrs,
  ShapeAttrs,
  SliceAttrs,
  TensorType,
  TransposeAttrs,
  Value,
} from './types.ts';
export { boundSymbols, verifyGraph } from './verify.ts';
