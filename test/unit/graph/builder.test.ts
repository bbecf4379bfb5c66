// Type errors appear at the call that is wrong and name the op, the place and the shapes.
import { describe, expect, it } from 'vitest';
import { GraphBuilder, printGraph, type Value, verifyGraph } from '#graph';

interface Wrong {
  readonly what: string;
  readonly build: (b: GraphBuilder, matrix: Value, vector: Value, ids: Value) => unknown;
  readonly message: RegExp;
}

const wrong: readonly Wrong[] = [
  {
    what: 'shapes that do not broadcast',
    build: (b, x) => b.add(x, b.reshape(x, [3, 2])),
    message: /add "h\.0": \[2, 3\] and \[3, 2\] do not/,
  },
  { what: 'unequal inner sizes', build: (b, x) => b.matmul(x, x), message: /matmul "h\.0": inner sizes differ: \[2, 3\] x \[2, 3\]\./ },
  {
    what: 'unequal inner sizes of transposed operands',
    build: (b, x) => b.matmul(x, x, { transposeA: true, transposeB: true }),
    message: /\(transposed: first and second\)/,
  },
  { what: 'a vector in a matrix product', build: (b, x, v) => b.matmul(x, v), message: /needs at least 2 axes, got \[3\]/ },
  { what: 'another element count', build: (b, x) => b.reshape(x, [4]), message: /reshape "h\.0": cannot reshape \[2, 3\] to \[4\]/ },
  { what: 'a bad permutation', build: (b, x) => b.transpose(x, [0, 0]), message: /transpose "h\.0": \[0, 0\] does not permute.*\[2, 3\]/ },
  {
    what: 'a broadcast that shrinks',
    build: (b, x) => b.broadcastTo(x, [3]),
    message: /broadcastTo "h\.0": \[2, 3\] does not broadcast to \[3\]/,
  },
  { what: 'a slice outside', build: (b, x) => b.slice(x, 1, 1, 4), message: /slice "h\.0": slice 1\.\.4 is outside axis 1 of \[2, 3\]/ },
  { what: 'an axis outside', build: (b, x) => b.reduceSum(x, [2]), message: /reduceSum: axis 2 is outside a tensor of rank 2/ },
  {
    what: 'parts that do not join',
    build: (b, x, v) => b.concat([x, b.reshape(v, [1, 3])], 1),
    message: /cannot join \[2, 3\] and \[1, 3\] along axis 1/,
  },
  { what: 'nothing to join', build: (b) => b.concat([], 0), message: /concat: needs at least one part/ },
  {
    what: 'a gain of another width',
    build: (b, x) => b.rmsNorm(x, b.input('g', 'float32', [2]), 1e-5),
    message: /rmsNorm "h\.0": expected \[3\], got \[2\]/,
  },
  {
    what: 'labels of another length',
    build: (b, x) => b.crossEntropy(x, b.input('l', 'int64', [3])),
    message: /logits \[N, V\] and labels \[N\], got \[2, 3\] and \[3\]/,
  },
  {
    what: 'updates that do not fit their ids',
    build: (b, x, _, ids) => b.scatterAdd(ids, b.transpose(x, [1, 0]), 4),
    message: /scatterAdd "h\.0": updates \[3, 2\] do not begin with the shape of the ids \[2\]/,
  },
];

const wrongTypes: readonly Wrong[] = [
  {
    what: 'operands of two types',
    build: (b, x) => b.add(x, b.cast(x, 'float64')),
    message: /add "h\.0": operand types differ: float32 and float64/,
  },
  {
    what: 'the exponential of integers',
    build: (b, _x, _v, ids) => b.exp(ids),
    message: /exp "h\.0": needs a floating-point operand, got int64/,
  },
  { what: 'a float as index', build: (b, x, v) => b.gather(x, v), message: /gather "h\.0": needs int64, got float32/ },
  { what: 'a float as condition', build: (b, x) => b.where(x, x, x), message: /where "h\.0": needs bool, got float32/ },
];

function buildAt(build: Wrong['build']): unknown {
  const b = new GraphBuilder();
  const [x, v, ids] = [b.input('x', 'float32', [2, 3]), b.input('v', 'float32', [3]), b.input('ids', 'int64', [2])];
  return b.at('h', () => b.at('0', () => build(b, x, v, ids)));
}

describe('GraphBuilder', () => {
  it.each(wrong)('refuses $what', ({ build, message }) => {
    expect(() => buildAt(build)).toThrow(expect.objectContaining({ code: 'shape_mismatch', message: expect.stringMatching(message) }));
  });

  it.each(wrongTypes)('refuses $what', ({ build, message }) => {
    expect(() => buildAt(build)).toThrow(expect.objectContaining({ code: 'dtype_mismatch', message: expect.stringMatching(message) }));
  });

  it('refuses two inputs of one name', () => {
    const b = new GraphBuilder();
    b.input('x', 'float32', []);
    expect(() => b.input('x', 'float32', [])).toThrow('graph input "x" is declared twice');
  });

  it('forgets a place when its part is built, also when that fails', () => {
    const b = new GraphBuilder('model');
    const x = b.input('x', 'float32', [2]);
    expect(() => b.at('h', () => b.reshape(x, [3]))).toThrow(/reshape "model\.h"/);
    expect(() => b.reshape(x, [3])).toThrow(/reshape "model"/);
    expect(b.at('h', () => b.neg(x)).node.place).toBe('model.h');
  });

  it('makes no node where nothing would happen', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 3]);
    expect(b.reshape(x, ['B', 3])).toBe(x);
    expect(b.transpose(x, [0, 1])).toBe(x);
    expect(b.broadcastTo(x, ['B', 3])).toBe(x);
    expect(b.slice(x, 0, 0, 'B')).toBe(x);
    expect(b.pad(x, 1, 0, 0)).toBe(x);
    expect(b.concat([x], 0)).toBe(x);
    expect(b.cast(x, 'float32')).toBe(x);
    expect(b.reduceSum(x, [])).toBe(x);
    expect(b.add(x, 2).node.operands[1]!.node).toBe(b.mul(x, 2).node.operands[1]!.node);
    expect(b.scalar(0, 'float32')).not.toBe(b.scalar(-0, 'float32'));
  });

  it('counts axes from either end and each once', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2, 3, 4]);
    expect(b.reduceSum(x, [-1, 0, 2]).node.attrs).toEqual({ axes: [0, 2], keepDims: false });
    expect(b.softmax(x).node.attrs).toEqual({ axis: 2 });
  });

  it('types symbolic shapes by algebra', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 'T', 6]);
    const rows = b.reshape(x, ['B*T', 6]);
    expect(b.concat([x, x, b.slice(x, 1, 0, 2)], 1).shape).toEqual(['B', '2*T+2', 6]);
    expect(b.pad(x, 1, 0, 'S').shape).toEqual(['B', 'S+T', 6]);
    expect(b.slice(x, 1, 1, 'T').shape).toEqual(['B', 'T+-1', 6]);
    expect(b.matmul(rows, rows, { transposeB: true }).shape).toEqual(['B*T', 'B*T']);
    expect(() => b.reshape(x, ['B', 6])).toThrow(/cannot reshape \[B, T, 6\] to \[B, 6\]/);
    expect(() => b.reduceMean(x, [1])).toThrow(/reduceMean, axis 1: needs a size that is known/);
  });
});

describe('printGraph', () => {
  const build = (): string => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 4]);
    const gain = b.input('gain', 'float32', [4]);
    const [y, inverse] = b.at('h.0.norm', () => b.rmsNorm(x, gain, 1e-5));
    const graph = b.graph({ y: b.matmul(b.mul(y, inverse), x, { transposeB: true, scale: 0.5 }), total: b.reduceSum(b.add(x, 2), [0, 1]) });
    verifyGraph(graph);
    return printGraph(graph);
  };

  it('shows one line a node, with attributes, types and places', () => {
    expect(build()).toMatchInlineSnapshot(`
      "%0 = input() {name: "x"} : float32 [B, 4]
      %1 = input() {name: "gain"} : float32 [4]
      %2 = rmsNorm(%0, %1) {epsilon: 0.00001} : float32 [B, 4], float32 [B, 1]  # h.0.norm
      %3 = mul(%2.0, %2.1) : float32 [B, 4]
      %4 = matmul(%3, %0) {transposeA: false, transposeB: true, scale: 0.5} : float32 [B, B]
      %5 = constant() {value: [2]} : float32 []
      %6 = add(%0, %5) : float32 [B, 4]
      %7 = reduceSum(%6) {axes: [0,1], keepDims: false} : float32 []
      return y = %4
      return total = %7
      "
    `);
  });

  it('prints equal graphs equally, whatever their node numbers', () => {
    expect(build()).toBe(build());
  });

  it('shortens long constants', () => {
    const b = new GraphBuilder();
    const long = b.constant({ dtype: 'float32', shape: [6], data: Float32Array.from([1, 2, 3, 4, 5, 6]) });
    expect(printGraph(b.graph({ long }))).toBe('%0 = constant() {value: [1, 2, 3, 4, …]} : float32 [6]\nreturn long = %0\n');
  });
});
