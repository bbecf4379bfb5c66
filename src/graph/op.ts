// What an op is, and the emitter that gradient rules, passes and architectures build graphs with.
import type { DimBindings, DType, HostTensor, Shape } from '#tensor';
import type {
  GroupQueryAttentionAttrs,
  MatmulAttrs,
  NBitsAttrs,
  PlainTensor,
  RoundedGradientAttrs,
  RoundedMatmulAttrs,
  TensorType,
  Value,
} from './types.ts';

/** A tuple of N items; with `number` as N, any count. */
export type Operands<N extends number, T> = number extends N ? readonly T[] : TupleOf<N, T>;
type TupleOf<N extends number, T, Made extends readonly T[] = readonly []> = Made['length'] extends N
  ? Made
  : TupleOf<N, T, readonly [...Made, T]>;

/** Facts by which passes treat ops as a class. */
export type Trait = 'elementwise' | 'movement' | 'reduction' | 'source' | 'commutative' | 'fused';

/** What a gradient rule sees. `undefined` among `dResults` means that the result is not used by the loss. */
export interface VjpContext<N extends number, Attrs> {
  readonly operands: Operands<N, Value>;
  /** The first result, and all of them. */
  readonly y: Value;
  readonly results: readonly Value[];
  /** Gradient with respect to the first result, and to each. */
  readonly dY: Value;
  readonly dResults: readonly (Value | undefined)[];
  readonly attrs: Attrs;
  readonly b: Emitter;
  /** False for operands whose gradient nobody needs: a rule may skip the work and return null. */
  readonly needed: readonly boolean[];
}

/** One case for the conformance and gradient suites: operand types and attributes, and how to fill the operands. */
export interface Sample<Attrs> {
  readonly operands: readonly SampleOperand[];
  readonly attrs?: Attrs;
  /** What this case is about, where it is not plain. */
  readonly note?: string;
}

export interface SampleOperand {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** `normal` (default), `positive` (0.5 … 2), `index` (integers below `bound`), or given `values`. */
  readonly fill?: 'normal' | 'positive' | 'index' | 'values';
  readonly bound?: number;
  readonly values?: readonly number[];
}

/**
 * Everything that one op means. What an engine does with it is one row of that engine's table.
 *
 * @typeParam N - number of operands, or `number` for any
 * @typeParam Attrs - attributes
 */
export interface OpDefinition<N extends number, Attrs extends object> {
  readonly traits?: readonly Trait[];
  /** Result types; throws `shape_mismatch` or `dtype_mismatch` with `place` in the message. */
  readonly infer: (operands: Operands<N, TensorType>, attrs: Attrs, place: string) => TensorType | readonly TensorType[];
  /** One gradient an operand (null where there is none), or the statement that there is no gradient. */
  readonly vjp: ((context: VjpContext<N, Attrs>) => Operands<N, Value | null>) | 'not-differentiable';
  /**
   * The plain meaning, in float64. `resultShapes` are the inferred shapes with their symbols bound; `bindings` says what the
   * symbols in attributes stand for, and may be left out where there are none.
   */
  readonly evaluate: (
    operands: Operands<N, PlainTensor>,
    attrs: Attrs,
    resultShapes: readonly (readonly number[])[],
    resultTypes: readonly TensorType[],
    bindings?: DimBindings,
  ) => PlainTensor | readonly PlainTensor[];
  readonly samples: readonly Sample<Attrs>[];
}

/** Declares an op. Its name is its key in the registry. */
export function defineOp<N extends number, Attrs extends object = object>(definition: OpDefinition<N, Attrs>): OpDefinition<N, Attrs> {
  return definition;
}

/** A value, or a number that becomes a constant of the other operand's type. */
export type Scalarish = Value | number;

/** The operands that hold a matrix in packed codes. */
export interface PackedValues {
  /** uint8 [..., groups, groupSize*bits/8], low bits first */
  readonly codes: Value;
  /** [..., groups] */
  readonly scales: Value;
  /** uint8 [..., ⌈groups*bits/8⌉], low bits first; 2^(bits-1) for all when absent */
  readonly zeroPoints?: Value | undefined;
}

/** The operands that hold a matrix in 8-bit codes for integer products. */
export interface Int8Values {
  /** int8 [N, K] */
  readonly codes: Value;
  /** [N], or [1] for all */
  readonly scales: Value;
  /** What x is rounded to; absent: to the range of each batch. */
  readonly input?: { readonly scale: Value; readonly zeroPoint: Value } | undefined;
}

/** A key-value cache of 8-bit codes: number = code · scale. */
export interface Int8Cache {
  /** int8 [B, G, S, K] */
  readonly pastKey: Value;
  readonly pastValue: Value;
  /** [1, G, 1, K] */
  readonly keyScales: Value;
  readonly valueScales: Value;
}

/**
 * The vocabulary for building graphs. Binary ops broadcast as NumPy does. Shapes in the comments use the house letters.
 *
 * @throws AppError `shape_mismatch` | `dtype_mismatch` at the call that is wrong
 */
export interface Emitter {
  constant(value: HostTensor): Value;
  /** A scalar constant. */
  scalar(value: number, dtype: DType): Value;
  /** int64 [size]: 0, 1, 2, … */
  range(size: Shape[number]): Value;
  cast(x: Value, to: DType): Value;

  neg(x: Value): Value;
  exp(x: Value): Value;
  log(x: Value): Value;
  sqrt(x: Value): Value;
  reciprocal(x: Value): Value;
  tanh(x: Value): Value;
  erf(x: Value): Value;
  sigmoid(x: Value): Value;
  abs(x: Value): Value;
  sign(x: Value): Value;
  sin(x: Value): Value;
  cos(x: Value): Value;
  floor(x: Value): Value;
  /** Nearest integer, ties to even. */
  round(x: Value): Value;
  not(x: Value): Value;
  /** The same value through which no gradient flows. */
  stopGradient(x: Value): Value;

  add(x: Scalarish, y: Scalarish): Value;
  sub(x: Scalarish, y: Scalarish): Value;
  mul(x: Scalarish, y: Scalarish): Value;
  div(x: Scalarish, y: Scalarish): Value;
  maximum(x: Scalarish, y: Scalarish): Value;
  minimum(x: Scalarish, y: Scalarish): Value;
  /** bool results */
  less(x: Scalarish, y: Scalarish): Value;
  equal(x: Scalarish, y: Scalarish): Value;
  and(x: Value, y: Value): Value;
  where(condition: Value, x: Scalarish, y: Scalarish): Value;

  reduceSum(x: Value, axes: readonly number[], keepDims?: boolean): Value;
  reduceMean(x: Value, axes: readonly number[], keepDims?: boolean): Value;
  reduceMax(x: Value, axes: readonly number[], keepDims?: boolean): Value;
  /** int64 index of the first largest element along `axis`, which disappears. */
  argMax(x: Value, axis: number): Value;

  /** [..., M, K] x [..., K, N] -> [..., M, N]; leading axes broadcast. */
  matmul(a: Value, b: Value, attrs?: Partial<MatmulAttrs>): Value;
  /**
   * x [..., K] · Wᵀ -> [..., N] for W [N, K] in packed codes. Shapes as in `dequantizeNBits` with N in front. Runtimes may round x to 8 bits
   * where the codes never change.
   */
  matmulNBits(x: Value, packed: PackedValues, attrs: NBitsAttrs): Value;
  /**
   * x [..., K] · Wᵀ -> [..., N] in 8-bit integers, for W = codes·scales. x is rounded to 0 … 255 by one scale and zero point: those given (each [1],
   * the zero point uint8), or those of the range of all of x with zero in it.
   */
  matmulInt8(x: Value, weight: Int8Values): Value;
  /**
   * x [..., K] · w [K, N] -> [..., N] in 8-bit integers, both rounded on the way in; w is [N, K] where it is transposed. Each column of op(w) has a
   * scale of its own. Not differentiable: a pass puts it into graphs that are differentiated already.
   */
  roundedMatmul(x: Value, w: Value, attrs: RoundedMatmulAttrs): Value;
  /** x [T, K], dy [T, N] -> scale · xᵀ · dy [K, N] in 8-bit integers: each operand in 127 steps up to its largest magnitude. Not differentiable. */
  roundedGradient(x: Value, dy: Value, attrs: RoundedGradientAttrs): Value;
  /** Packed codes uint8 [..., groups, groupSize*bits/8] -> the numbers that they stand for, [..., K], in the type of the scales. */
  dequantizeNBits(packed: PackedValues, attrs: NBitsAttrs): Value;

  reshape(x: Value, shape: Shape): Value;
  transpose(x: Value, permutation: readonly number[]): Value;
  broadcastTo(x: Value, shape: Shape): Value;
  slice(x: Value, axis: number, start: Shape[number], end: Shape[number]): Value;
  pad(x: Value, axis: number, before: Shape[number], after: Shape[number]): Value;
  concat(parts: readonly Value[], axis: number): Value;
  /** Rows of a table: [V, D], int64 [...] -> [..., D]. */
  gather(table: Value, ids: Value): Value;
  /** Adds rows into zeros: int64 [...], [..., D] -> [rows, D]; the transpose of gather. */
  scatterAdd(ids: Value, updates: Value, rows: number): Value;
  /** One element of the last axis each: [..., V], int64 [...] -> [...]. */
  takeLast(x: Value, ids: Value): Value;
  /** Column order[j] of x becomes column j: [..., D], int64 [D] -> [..., D]. `order` must be a permutation; the gradient relies on it. */
  permuteLast(x: Value, order: Value): Value;
  /** int64 [...] -> float32 [..., depth]. */
  oneHot(ids: Value, depth: number): Value;

  softmax(x: Value, axis?: number): Value;
  logSoftmax(x: Value, axis?: number): Value;
  /** Over the last axis; gain and bias are [D]. Returns y, and the mean and 1/σ ([..., 1]) it was made with. */
  layerNorm(x: Value, gain: Value, bias: Value, epsilon: number): readonly [Value, Value, Value];
  /** Over the last axis; gain is [D]. Returns y and 1/rms ([..., 1]). */
  rmsNorm(x: Value, gain: Value, epsilon: number): readonly [Value, Value];
  /** x·Φ(x), exact. */
  gelu(x: Value): Value;
  /** The tanh approximation of GELU that GPT-2 uses. */
  geluTanh(x: Value): Value;
  /** x·sigmoid(x) */
  silu(x: Value): Value;
  /**
   * Negative log-likelihood of `labels` under softmax(logits): [N, V], int64 [N] -> loss [N] and log probabilities [N, V].
   */
  crossEntropy(logits: Value, labels: Value): readonly [Value, Value];
  /**
   * Attention of new positions over a key-value cache that is extended in place; causal, over a window where one is given. Not differentiable.
   *
   * Shapes: q [B, T, H*K], k and v [B, T, G*K], pastKey and pastValue [B, G, S, K] (S positions of room),
   * lastIndex int32 [B] (length of each row after this step, minus 1), totalLength int32 [1] (largest length after this step).
   * `bias`, added to the scores, is [B or 1, H or 1, T, N] where N is totalLength.
   * Returns y [B, T, H*K], presentKey, presentValue (bind them to the past's buffers to update in place).
   */
  groupQueryAttention(
    q: Value,
    k: Value,
    v: Value,
    pastKey: Value,
    pastValue: Value,
    lastIndex: Value,
    totalLength: Value,
    attrs: GroupQueryAttentionAttrs,
    bias?: Value,
  ): readonly [Value, Value, Value];
  /**
   * The same over a cache of int8 codes: number = code · scale, with scales [1, G, 1, K]. What new positions add is rounded to codes, cut off at ±127 scales.
   * K must be a multiple of 16 on some devices.
   */
  int8GroupQueryAttention(
    q: Value,
    k: Value,
    v: Value,
    cache: Int8Cache,
    lastIndex: Value,
    totalLength: Value,
    attrs: GroupQueryAttentionAttrs,
  ): readonly [Value, Value, Value];
}
