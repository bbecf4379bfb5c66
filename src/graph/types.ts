// The graph itself: immutable nodes and values. A graph owns no memory; engines do.
import type { DType, HostTensor, Shape } from '#tensor';

/** Element type and shape of one value. Dimensions are numbers or expressions in symbols (`B`, `B*T`). */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One application of an op. Nodes are immutable and may be shared by several graphs. */
export interface Node {
  /** Unique in the process; later nodes have larger numbers, so operands always have smaller ones. */
  readonly id: number;
  /** A key of the registry (`ops`). */
  readonly op: string;
  readonly operands: readonly Value[];
  /** Attributes, as the op's definition types them. */
  readonly attrs: object;
  /** One type a result. */
  readonly types: readonly TensorType[];
  /** Where the node was made, for example `h.3.attn`; only for people. */
  readonly place: string;
}

/** One result of a node. */
export interface Value {
  readonly node: Node;
  readonly index: number;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface GraphInput {
  readonly name: string;
  readonly value: Value;
}

export interface GraphOutput {
  readonly name: string;
  readonly value: Value;
}

/**
 * A function from named inputs to named outputs.
 *
 * Invariant: every value reachable from the outputs is made by a node whose operands are reachable too, and every
 * `input` node reached is listed in `inputs` (an input may be listed without being used).
 */
export interface Graph {
  readonly inputs: readonly GraphInput[];
  readonly outputs: readonly GraphOutput[];
}

/** A tensor as the plain evaluator sees it: every element type is held as float64. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Attributes of the ops that have some; the others take none. */
export interface InputAttrs {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}
export interface ConstantAttrs {
  readonly value: HostTensor;
}
/** int64 numbers 0 … size-1. */
export interface RangeAttrs {
  readonly size: Shape[number];
}
export interface CastAttrs {
  readonly to: DType;
}
/** Axes are normalized (non-negative, sorted) by the builder. */
export interface ReduceAttrs {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}
export interface AxisAttrs {
  readonly axis: number;
}
/** y = scale · op(a) · op(b), where op transposes the last two axes if asked. */
export interface MatmulAttrs {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly scale: number;
}
/** y = scale · Q(x) · Q(op(w)), where Q rounds to 8 bits and op transposes w if asked. */
export interface RoundedMatmulAttrs {
  /** How x is rounded: each row in 127 steps up to its largest magnitude, or all of x on one grid of 256 numbers. */
  readonly scales: 'row' | 'tensor';
  readonly transposeB: boolean;
  readonly scale: number;
}
/** y = scale · Q(x)ᵀ · Q(dy), where Q rounds to 8 bits. */
export interface RoundedGradientAttrs {
  readonly scale: number;
}
export interface ShapeAttrs {
  readonly shape: Shape;
}
export interface TransposeAttrs {
  /** Result axis i is operand axis permutation[i]. */
  readonly permutation: readonly number[];
}
/** Elements start … end-1 of one axis. */
export interface SliceAttrs {
  readonly axis: number;
  readonly start: Shape[number];
  readonly end: Shape[number];
}
/** Zeros added on both sides of one axis. */
export interface PadAttrs {
  readonly axis: number;
  readonly before: Shape[number];
  readonly after: Shape[number];
}
export interface DepthAttrs {
  readonly depth: number;
}
export interface RowsAttrs {
  readonly rows: number;
}
export interface EpsilonAttrs {
  readonly epsilon: number;
}
export interface GroupQueryAttentionAttrs {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly scale: number;
  /** A query sees this many latest positions, itself included; all when absent. */
  readonly window?: number;
  /** Bounds the scaled scores: s -> cap·tanh(s/cap). */
  readonly softCap?: number;
}
/**
 * Matrices stored as packed integers. Each row of `size` numbers is cut into ⌈size/groupSize⌉ groups, each with a scale and a zero point:
 * number = (code − zero point) · scale. Codes of the last group past `size` are padding.
 */
export interface NBitsAttrs {
  /** 1, 2, 3, 4 or 8. */
  readonly bits: number;
  /** A multiple of 8. */
  readonly groupSize: number;
  /** K: numbers in a row. */
  readonly size: number;
  /** The zero point of all groups where none are stored; 2^(bits-1) when absent. ½ of 1-bit codes makes them plus and minus half a scale. */
  readonly zero?: number;
}
