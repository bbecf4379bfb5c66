// graph: the differentiable graph. Builder, ops, verifier, printer, autodiff, passes and optimizers.
export { gradients } from './autodiff/gradients.ts';
export { GraphBuilder, printType } from './builder.ts';
export {
  defineOp,
  type Emitter,
  type OpDefinition,
  type Operands,
  type Sample,
  type SampleOperand,
  type Scalarish,
  type Trait,
} from './op.ts';
export { topologicalOrder, valueKey } from './order.ts';
export { type OptimizeOptions, optimizeGraph } from './passes/optimize.ts';
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
  Node,
  PadAttrs,
  PlainTensor,
  RangeAttrs,
  ReduceAttrs,
  RowsAttrs,
  ShapeAttrs,
  SliceAttrs,
  TensorType,
  TransposeAttrs,
  Value,
} from './types.ts';
export { boundSymbols, verifyGraph } from './verify.ts';
