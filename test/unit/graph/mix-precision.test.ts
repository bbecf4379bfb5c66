// Mixed precision as a pass: which values become narrow, which stay float32, and what that does to values and gradients.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { evaluateOnHost } from '#engine/reference';
import {
  definitionOf,
  type Graph,
  GraphBuilder,
  gradients,
  mixPrecision,
  optimizeGraph,
  printGraph,
  topologicalOrder,
  type Value,
  verifyGraph,
} from '#graph';
import { bfloat16ToFloat, float32, floatToBfloat16, floatToHalf, type HostTensor, halfToFloat, narrowFloats, sizeOf } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { fillOperand } from '#test/samples';
import { mixedTolerances } from '#test/tolerances';
import { anyProgram, makeRandomGraph } from './random-graphs.ts';

const mixed = (build: (b: GraphBuilder) => Record<string, Value>, dtype: 'float16' | 'bfloat16' = 'bfloat16'): Graph => {
  const b = new GraphBuilder();
  const graph = mixPrecision(b.graph(build(b)), dtype);
  verifyGraph(graph);
  return graph;
};
const lines = (graph: Graph): string[] =>
  printGraph(graph)
    .split('\n')
    .filter((line) => !line.includes(' = input('));
const count = (graph: Graph, op: string): number => topologicalOrder(graph).filter((node) => node.op === op).length;

describe('mixed precision', () => {
  it('multiplies in the narrow type, between casts from and to float32', () => {
    const graph = mixed((b) => ({ y: b.matmul(b.input('x', 'float32', [2, 3]), b.input('w', 'float32', [3, 4]), { scale: 0.5 }) }));
    expect(lines(graph).join('\n').trim()).toBe(
      [
        '%1 = cast(%0) {to: "bfloat16"} : bfloat16 [2, 3]',
        '%3 = cast(%2) {to: "bfloat16"} : bfloat16 [3, 4]',
        '%4 = matmul(%1, %3) {transposeA: false, transposeB: false, scale: 0.5} : bfloat16 [2, 4]',
        '%5 = cast(%4) {to: "float32"} : float32 [2, 4]',
        'return y = %5',
      ].join('\n'),
    );
  });

  it('keeps inputs, outputs and everything but products in float32', () => {
    const graph = mixed((b) => {
      const x = b.input('x', 'float32', [4, 8]);
      const w = b.input('w', 'float32', [8, 8]);
      const [y] = b.layerNorm(b.matmul(x, w), b.input('gain', 'float32', [8]), b.input('bias', 'float32', [8]), 1e-5);
      const loss = b.reduceMean(b.softmax(b.add(y, x)), [0, 1]);
      const [dW] = gradients(b, loss, [w]);
      return { loss, dW: dW! };
    });
    for (const node of topologicalOrder(graph)) {
      if (node.op === 'matmul' || node.op === 'cast') continue;
      for (const { dtype } of node.types) expect(dtype, node.op).toBe('float32');
    }
    expect(graph.outputs.map(({ value }) => value.dtype)).toEqual(['float32', 'float32']);
    expect(graph.inputs.map(({ name, value }) => [name, value.dtype])).toEqual([
      ['x', 'float32'],
      ['w', 'float32'],
      ['gain', 'float32'],
      ['bias', 'float32'],
    ]);
  });

  it('casts a value once for all its products, and not at all between two products', () => {
    const graph = mixed((b) => {
      const x = b.input('x', 'float32', [4, 8]);
      const heads = b.transpose(b.reshape(b.matmul(x, b.input('w', 'float32', [8, 8])), [4, 2, 4]), [1, 0, 2]);
      return { a: b.matmul(heads, heads, { transposeB: true }), c: b.matmul(x, x, { transposeA: true }) };
    });
    // x and w on the way down; the products c and a on the way up: what lies between two products only moves.
    expect(count(graph, 'cast')).toBe(4);
    const moved = topologicalOrder(graph).filter(({ op }) => op === 'reshape' || op === 'transpose');
    expect(moved.map(({ types }) => types[0]?.dtype)).toEqual(['bfloat16', 'bfloat16']);
  });

  it('leaves products of integers, of float64 and in packed codes as they are', () => {
    const graph = mixed((b) => {
      const x = b.input('x', 'float64', [2, 3]);
      const packed = { codes: b.input('codes', 'uint8', [4, 1, 16]), scales: b.input('scales', 'float32', [4, 1]) };
      return {
        y: b.matmul(x, x, { transposeB: true }),
        z: b.matmulNBits(b.input('rows', 'float32', [2, 32]), packed, { bits: 4, groupSize: 32, size: 32 }),
      };
    });
    expect(count(graph, 'cast')).toBe(0);
  });

  it.each(narrowFloats)('rounds operands and results of products to %s on the reference engine', async (dtype) => {
    const round = (value: number): number =>
      (dtype === 'float16' ? halfToFloat(floatToHalf([value])) : bfloat16ToFloat(floatToBfloat16([value])))[0]!;
    const graph = mixed((b) => ({ y: b.matmul(b.input('x', 'float32', [1, 2]), b.input('w', 'float32', [2, 1])) }), dtype);
    const [x, w] = [
      [1.2345, 7.891],
      [3.3333, -0.777],
    ] as const;
    const { y } = await evaluateOnHost(graph, { x: float32([1, 2], x), w: float32([2, 1], w) });
    expect(y!.data[0]).toBe(round(round(x[0]!) * round(w[0]!) + round(x[1]!) * round(w[1]!)));
  });

  it('overflows in float16 where the product is too large for it, and not in bfloat16', async () => {
    const inputs = { x: float32([1, 2], [300, 300]), w: float32([2, 1], [300, 300]) };
    const build = (b: GraphBuilder) => ({ y: b.matmul(b.input('x', 'float32', [1, 2]), b.input('w', 'float32', [2, 1])) });
    expect((await evaluateOnHost(mixed(build, 'float16'), inputs))['y']!.data[0]).toBe(Number.POSITIVE_INFINITY);
    expect((await evaluateOnHost(mixed(build, 'bfloat16'), inputs))['y']!.data[0]).toBe(180224);
  });

  it.each(narrowFloats)('keeps values and gradients of random graphs within the tolerance of %s', async (dtype) => {
    const tolerance = mixedTolerances[dtype].values;
    await fc.assert(
      fc.asyncProperty(anyProgram, fc.nat(1000), async (program, seed) => {
        const { graph, inputs } = makeRandomGraph(program, seed, 'float32');
        const narrow = mixPrecision(graph, dtype);
        verifyGraph(narrow);
        const [wanted, made] = [await evaluateOnHost(graph, inputs), await evaluateOnHost(narrow, inputs)];
        for (const [name, { data }] of Object.entries(wanted)) expectAllClose(made[name]!.data, data, { ...tolerance, what: name });
      }),
      { numRuns: 60 },
    );
  });

  it.each(narrowFloats)('has the gradients of products, transposed and broadcast, within the tolerance of %s', async (dtype) => {
    for (const [index, { operands, attrs = {} }] of definitionOf('matmul').samples.entries()) {
      const random = new Random(index);
      const b = new GraphBuilder();
      const inputs: Record<string, HostTensor> = {};
      const values = operands.map((operand, place) => {
        inputs[`x${place}`] = fillOperand(operand, random);
        return b.input(`x${place}`, 'float32', operand.shape);
      });
      const [y] = b.apply('matmul', values, attrs);
      const weights = float32(
        y!.shape as number[],
        Float32Array.from({ length: sizeOf(y!.shape as number[]) }, () => random.normal()),
      );
      const loss = b.reduceSum(
        b.mul(y!, b.constant(weights)),
        y!.shape.map((_, axis) => axis),
      );
      const derivatives = gradients(b, loss, values);
      const graph = b.graph(Object.fromEntries(derivatives.map((value, place) => [`d${place}`, value])));
      const [wanted, made] = [
        await evaluateOnHost(graph, inputs),
        await evaluateOnHost(optimizeGraph(graph, { products: dtype, verify: true }), inputs),
      ];
      for (const [name, { data }] of Object.entries(wanted))
        expectAllClose(made[name]!.data, data, { ...mixedTolerances[dtype].values, what: `sample ${index} ${name}` });
    }
  });
});
