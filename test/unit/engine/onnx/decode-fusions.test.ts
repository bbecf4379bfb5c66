// The fusions of a decoding step: attention that reads queries, keys and values side by side, and integer products that add their bias.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, int32, sizeOf } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';

let engine: Engine;
const reference = createReferenceEngine();
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu' });
});
afterAll(async () => {
  await engine.dispose();
  await reference.dispose();
});

const random = new Random(11);
const normal = (...shape: number[]): HostTensor =>
  float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );

async function expectSame(graph: Graph, inputs: Record<string, HostTensor>, absolute: number): Promise<void> {
  const [made, wanted] = await Promise.all(
    [engine, reference].map(async (on) => {
      const program = await on.compile(graph);
      const results = await program.run(inputs);
      const read = graph.outputs.map(({ name }) => Float32Array.from(results[name]!.read().data as Float32Array));
      for (const buffer of Object.values(results)) buffer.release();
      await program.release();
      return read;
    }),
  );
  for (const [index, values] of wanted!.entries()) expectAllClose(made![index]!, values, { absolute });
}

describe('attention over the rows of one product', () => {
  const [heads, groups, width, room] = [4, 2, 8, 6];
  const sizes = { q: heads * width, k: groups * width, v: groups * width };
  const total = sizes.q + sizes.k + sizes.v;

  /** @param order - which part stands where in the rows */
  function graphOf(order: readonly ('q' | 'k' | 'v')[]): Graph {
    const b = new GraphBuilder();
    const rows = b.tanh(b.input('rows', 'float32', ['B*T', total]));
    const past = (part: string) => b.input(part, 'float32', ['B', groups, room, width]);
    const pastKey = past('pastKey');
    const start = (part: 'q' | 'k' | 'v'): number => order.slice(0, order.indexOf(part)).reduce((sum, before) => sum + sizes[before], 0);
    const part = (name: 'q' | 'k' | 'v') =>
      b.reshape(b.reshape(b.slice(rows, 1, start(name), start(name) + sizes[name]), ['B', 'T', sizes[name] / width, width]), [
        'B',
        'T',
        sizes[name],
      ]);
    const tokens = b.input('tokens', 'float32', ['B', 'T']);
    const [y] = b.groupQueryAttention(
      part('q'),
      part('k'),
      part('v'),
      pastKey,
      past('pastValue'),
      b.input('lastIndex', 'int32', ['B']),
      b.input('totalLength', 'int32', [1]),
      { heads, keyValueHeads: groups, scale: 0.3 },
    );
    return b.graph({ y, same: b.neg(tokens) });
  }

  function inputsOf(batch: number, newTokens: number, before: number): Record<string, HostTensor> {
    return {
      rows: normal(batch * newTokens, total),
      tokens: normal(batch, newTokens),
      pastKey: normal(batch, groups, room, width),
      pastValue: normal(batch, groups, room, width),
      lastIndex: int32([batch], new Int32Array(batch).fill(before + newTokens - 1)),
      totalLength: int32([1], [before + newTokens]),
    };
  }

  const operandsOf = (graph: Graph): readonly string[] => {
    const { nodes } = lowerGraph(graph, { name: 'packed', frozen: new Map(), portable: false });
    return nodes.find(({ opType }) => opType === 'GroupQueryAttention')!.inputs;
  };

  it.each([
    ['decoding', 3, 1, 4],
    ['a prompt', 2, 5, 0],
    ['a piece of a prompt', 1, 3, 2],
  ])('is what it is over three parts: %s', async (_, batch, newTokens, before) => {
    const graph = graphOf(['q', 'k', 'v']);
    expect(operandsOf(graph).slice(1, 3)).toEqual(['', '']);
    await expectSame(graph, inputsOf(batch, newTokens, before), 1e-5);
  });

  it('takes the parts one by one where they stand in another order', async () => {
    const graph = graphOf(['k', 'q', 'v']);
    expect(operandsOf(graph).slice(1, 3)).not.toContain('');
    await expectSame(graph, inputsOf(2, 1, 3), 1e-5);
  });

  it('leaves no slice behind', () => {
    const { nodes } = lowerGraph(graphOf(['q', 'k', 'v']), { name: 'packed', frozen: new Map(), portable: false });
    expect(nodes.map(({ opType }) => opType)).not.toContain('Slice');
  });
});

describe.each([
  ['a scale for each output', 5, false],
  ['one scale', 1, false],
  ['fixed activations', 5, true],
])('an integer product with a bias and %s', (_, numScales, isFixed) => {
  const [rows, K, N] = [3, 24, 5];

  it('adds it in the same kernel', async () => {
    const b = new GraphBuilder();
    const grid = { scale: b.input('scale', 'float32', [1]), zeroPoint: b.input('zero', 'uint8', [1]) };
    const weight = { codes: b.input('codes', 'int8', [N, K]), scales: b.input('scales', 'float32', [numScales]) };
    const product = b.matmulInt8(b.input('x', 'float32', [rows, K]), isFixed ? { ...weight, input: grid } : weight);
    const graph = b.graph({
      y: b.add(b.input('bias', 'float32', [N]), product),
      scale: b.neg(grid.scale),
      zero: b.cast(grid.zeroPoint, 'float32'),
    });
    for (const int8Weights of ['int8', 'uint8'] as const) {
      const { nodes } = lowerGraph(graph, { name: 'biased', frozen: new Map(), portable: false, int8Weights });
      const kernel = nodes.find(({ opType }) => opType === (isFixed ? 'MatMulIntegerToFloat' : 'DynamicQuantizeMatMul'));
      expect(kernel?.inputs.at(-1)).toBe('bias');
    }
    const codes = hostTensor(
      'int8',
      [N, K],
      Int8Array.from({ length: N * K }, () => random.integer(255) - 127),
    );
    const inputs = {
      x: normal(rows, K),
      bias: normal(N),
      codes,
      scales: float32([numScales], new Float32Array(numScales).fill(0.01)),
      scale: float32([1], [0.02]),
      zero: hostTensor('uint8', [1], Uint8Array.of(120)),
    };
    await expectSame(graph, inputs, 1e-4);
  });
});
