// Builds graphs: types are checked at each call, equal scalars are made once.
import { AppError, at, invariant } from '#base';
import { type DType, fromNumbers, type HostTensor, hostTensor, normalizeAxis, printShape, type Shape, sameShape } from '#tensor';
import type { Emitter, Int8Cache, Int8Values, PackedValues, Scalarish } from './op.ts';
import { definitionOf, type OpName } from './registry.ts';
import type {
  Graph,
  GraphInput,
  GroupQueryAttentionAttrs,
  MatmulAttrs,
  NBitsAttrs,
  Node,
  RoundedGradientAttrs,
  RoundedMatmulAttrs,
  Value,
} from './types.ts';

let lastNodeId = 0;

/**
 * The one way to make nodes. It keeps values of the builder's own graph and may be handed values of any other graph:
 * nodes are immutable, so graphs share them.
 */
export class GraphBuilder implements Emitter {
  readonly #inputs: GraphInput[] = [];
  readonly #inputNames = new Set<string>();
  readonly #scalars = new Map<string, Value>();
  #place: string;

  constructor(place = '') {
    this.#place = place;
  }

  /** Runs `build` with a longer place name, which errors and dumps show. */
  at<T>(place: string, build: () => T): T {
    const outer = this.#place;
    this.#place = outer === '' ? place : `${outer}.${place}`;
    try {
      return build();
    } finally {
      this.#place = outer;
    }
  }

  /** Applies an op by name; the methods below are the typed way to it. */
  apply(op: OpName, operands: readonly Value[], attrs: object): readonly Value[] {
    const place = this.#place === '' ? op : `${op} "${this.#place}"`;
    const inferred = definitionOf(op).infer(operands, attrs, place);
    // A rule may return an operand itself as the type: keep only what a type is.
    const types = ('dtype' in inferred ? [inferred] : inferred).map(({ dtype, shape }) => ({ dtype, shape }));
    lastNodeId += 1;
    const node: Node = { id: lastNodeId, op, operands, attrs, types, place: this.#place };
    return types.map(({ dtype, shape }, index) => ({ node, index, dtype, shape }));
  }

  #one(op: OpName, operands: readonly Value[], attrs: object = {}): Value {
    return at(this.apply(op, operands, attrs), 0);
  }

  /** A named input. @throws InvariantError when the name is taken */
  input(name: string, dtype: DType, shape: Shape): Value {
    invariant(!this.#inputNames.has(name), `graph input "${name}" is declared twice`);
    this.#inputNames.add(name);
    const value = this.#one('input', [], { name, dtype, shape });
    this.#inputs.push({ name, value });
    return value;
  }

  /** The inputs declared so far, in order. */
  get inputs(): readonly GraphInput[] {
    return this.#inputs;
  }

  /** Closes the graph over named outputs. Its inputs are all that this builder declared, used or not. */
  graph(outputs: Readonly<Record<string, Value>>): Graph {
    return { inputs: [...this.#inputs], outputs: Object.entries(outputs).map(([name, value]) => ({ name, value })) };
  }

  constant(value: HostTensor): Value {
    return this.#one('constant', [], { value });
  }

  scalar(value: number, dtype: DType): Value {
    const key = `${dtype}:${Object.is(value, -0) ? '-0' : value}`;
    const known = this.#scalars.get(key);
    if (known !== undefined) return known;
    const made = this.constant(hostTensor(dtype, [], fromNumbers(dtype, [value])));
    this.#scalars.set(key, made);
    return made;
  }

  range(size: Shape[number]): Value {
    return this.#one('range', [], { size });
  }

  cast(x: Value, to: DType): Value {
    return x.dtype === to ? x : this.#one('cast', [x], { to });
  }

  neg(x: Value): Value {
    return this.#one('neg', [x]);
  }
  exp(x: Value): Value {
    return this.#one('exp', [x]);
  }
  log(x: Value): Value {
    return this.#one('log', [x]);
  }
  sqrt(x: Value): Value {
    return this.#one('sqrt', [x]);
  }
  reciprocal(x: Value): Value {
    return this.#one('reciprocal', [x]);
  }
  tanh(x: Value): Value {
    return this.#one('tanh', [x]);
  }
  erf(x: Value): Value {
    return this.#one('erf', [x]);
  }
  sigmoid(x: Value): Value {
    return this.#one('sigmoid', [x]);
  }
  abs(x: Value): Value {
    return this.#one('abs', [x]);
  }
  sign(x: Value): Value {
    return this.#one('sign', [x]);
  }
  sin(x: Value): Value {
    return this.#one('sin', [x]);
  }
  cos(x: Value): Value {
    return this.#one('cos', [x]);
  }
  floor(x: Value): Value {
    return this.#one('floor', [x]);
  }
  round(x: Value): Value {
    return this.#one('round', [x]);
  }
  not(x: Value): Value {
    return this.#one('not', [x]);
  }
  stopGradient(x: Value): Value {
    return this.#one('stopGradient', [x]);
  }

  #pair(x: Scalarish, y: Scalarish): [Value, Value] {
    if (typeof x !== 'number') return [x, typeof y === 'number' ? this.scalar(y, x.dtype) : y];
    invariant(typeof y !== 'number', 'an op needs at least one operand that is a value');
    return [this.scalar(x, y.dtype), y];
  }

  add(x: Scalarish, y: Scalarish): Value {
    return this.#one('add', this.#pair(x, y));
  }
  sub(x: Scalarish, y: Scalarish): Value {
    return this.#one('sub', this.#pair(x, y));
  }
  mul(x: Scalarish, y: Scalarish): Value {
    return this.#one('mul', this.#pair(x, y));
  }
  div(x: Scalarish, y: Scalarish): Value {
    return this.#one('div', this.#pair(x, y));
  }
  maximum(x: Scalarish, y: Scalarish): Value {
    return this.#one('maximum', this.#pair(x, y));
  }
  minimum(x: Scalarish, y: Scalarish): Value {
    return this.#one('minimum', this.#pair(x, y));
  }
  less(x: Scalarish, y: Scalarish): Value {
    return this.#one('less', this.#pair(x, y));
  }
  equal(x: Scalarish, y: Scalarish): Value {
    return this.#one('equal', this.#pair(x, y));
  }
  and(x: Value, y: Value): Value {
    return this.#one('and', [x, y]);
  }
  where(condition: Value, x: Scalarish, y: Scalarish): Value {
    return this.#one('where', [condition, ...this.#pair(x, y)]);
  }

  #reduce(op: OpName, x: Value, axes: readonly number[], keepDims: boolean): Value {
    const normalized = [...new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length, op)))].sort((i, j) => i - j);
    return normalized.length === 0 ? x : this.#one(op, [x], { axes: normalized, keepDims });
  }

  reduceSum(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('reduceSum', x, axes, keepDims);
  }
  reduceMean(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('reduceMean', x, axes, keepDims);
  }
  reduceMax(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('reduceMax', x, axes, keepDims);
  }
  argMax(x: Value, axis: number): Value {
    return this.#one('argMax', [x], { axis: normalizeAxis(axis, x.shape.length, 'argMax') });
  }

  matmul(a: Value, b: Value, attrs: Partial<MatmulAttrs> = {}): Value {
    return this.#one('matmul', [a, b], { transposeA: false, transposeB: false, scale: 1, ...attrs });
  }

  matmulNBits(x: Value, packed: PackedValues, attrs: NBitsAttrs): Value {
    return this.#one('matmulNBits', [x, ...packedOperands(packed)], attrs);
  }
  matmulInt8(x: Value, { codes, scales, input }: Int8Values): Value {
    return this.#one('matmulInt8', input === undefined ? [x, codes, scales] : [x, codes, scales, input.scale, input.zeroPoint]);
  }
  roundedMatmul(x: Value, w: Value, attrs: RoundedMatmulAttrs): Value {
    return this.#one('roundedMatmul', [x, w], attrs);
  }
  roundedGradient(x: Value, dy: Value, attrs: RoundedGradientAttrs): Value {
    return this.#one('roundedGradient', [x, dy], attrs);
  }
  dequantizeNBits(packed: PackedValues, attrs: NBitsAttrs): Value {
    return this.#one('dequantizeNBits', packedOperands(packed), attrs);
  }

  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x;
    return this.#one('reshape', [x], { shape });
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    return permutation.every((axis, index) => axis === index) && permutation.length === x.shape.length
      ? x
      : this.#one('transpose', [x], { permutation });
  }

  broadcastTo(x: Value, shape: Shape): Value {
    return sameShape(x.shape, shape) ? x : this.#one('broadcastTo', [x], { shape });
  }

  slice(x: Value, axis: number, start: Shape[number], end: Shape[number]): Value {
    const normalized = normalizeAxis(axis, x.shape.length, 'slice');
    if (start === 0 && end === x.shape[normalized]) return x;
    return this.#one('slice', [x], { axis: normalized, start, end });
  }

  pad(x: Value, axis: number, before: Shape[number], after: Shape[number]): Value {
    if (before === 0 && after === 0) return x;
    return this.#one('pad', [x], { axis: normalizeAxis(axis, x.shape.length, 'pad'), before, after });
  }

  concat(parts: readonly Value[], axis: number): Value {
    const first = parts[0];
    if (first === undefined) throw new AppError('shape_mismatch', 'concat: needs at least one part.');
    return parts.length === 1 ? first : this.#one('concat', parts, { axis: normalizeAxis(axis, first.shape.length, 'concat') });
  }

  gather(table: Value, ids: Value): Value {
    return this.#one('gather', [table, ids]);
  }
  scatterAdd(ids: Value, updates: Value, rows: number): Value {
    return this.#one('scatterAdd', [ids, updates], { rows });
  }
  takeLast(x: Value, ids: Value): Value {
    return this.#one('takeLast', [x, ids]);
  }
  permuteLast(x: Value, order: Value): Value {
    return this.#one('permuteLast', [x, order]);
  }
  oneHot(ids: Value, depth: number): Value {
    return this.#one('oneHot', [ids], { depth });
  }

  softmax(x: Value, axis = -1): Value {
    return this.#one('softmax', [x], { axis: normalizeAxis(axis, x.shape.length, 'softmax') });
  }
  logSoftmax(x: Value, axis = -1): Value {
    return this.#one('logSoftmax', [x], { axis: normalizeAxis(axis, x.shape.length, 'logSoftmax') });
  }
  layerNorm(x: Value, gain: Value, bias: Value, epsilon: number): readonly [Value, Value, Value] {
    return this.#three('layerNorm', [x, gain, bias], { epsilon });
  }
  rmsNorm(x: Value, gain: Value, epsilon: number): readonly [Value, Value] {
    const [y, inverse] = this.apply('rmsNorm', [x, gain], { epsilon });
    invariant(y !== undefined && inverse !== undefined, 'rmsNorm has two results');
    return [y, inverse];
  }
  gelu(x: Value): Value {
    return this.#one('gelu', [x]);
  }
  geluTanh(x: Value): Value {
    return this.#one('geluTanh', [x]);
  }
  silu(x: Value): Value {
    return this.#one('silu', [x]);
  }

  crossEntropy(logits: Value, labels: Value): readonly [Value, Value] {
    const [loss, logProbabilities] = this.apply('crossEntropy', [logits, labels], {});
    invariant(loss !== undefined && logProbabilities !== undefined, 'crossEntropy has two results');
    return [loss, logProbabilities];
  }

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
  ): readonly [Value, Value, Value] {
    const operands = [q, k, v, pastKey, pastValue, lastIndex, totalLength];
    return bias === undefined
      ? this.#three('groupQueryAttention', operands, attrs)
      : this.#three('biasedGroupQueryAttention', [...operands, bias], attrs);
  }

  int8GroupQueryAttention(
    q: Value,
    k: Value,
    v: Value,
    { pastKey, pastValue, keyScales, valueScales }: Int8Cache,
    lastIndex: Value,
    totalLength: Value,
    attrs: GroupQueryAttentionAttrs,
  ): readonly [Value, Value, Value] {
    return this.#three('int8GroupQueryAttention', [q, k, v, pastKey, pastValue, lastIndex, totalLength, keyScales, valueScales], attrs);
  }

  #three(op: OpName, operands: readonly Value[], attrs: object): readonly [Value, Value, Value] {
    const [first, second, third] = this.apply(op, operands, attrs);
    invariant(first !== undefined && second !== undefined && third !== undefined, `${op} has three results`);
    return [first, second, third];
  }
}

function packedOperands({ codes, scales, zeroPoints }: PackedValues): readonly Value[] {
  return zeroPoints === undefined ? [codes, scales] : [codes, scales, zeroPoints];
}

/** `float32 [B, T, 768]`, for messages and dumps. */
export function printType(type: { readonly dtype: DType; readonly shape: Shape }): string {
  return `${type.dtype} ${printShape(type.shape)}`;
}
