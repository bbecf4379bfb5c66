// Plans: what becomes of a graph before TensorFlow sees it.
import { describe, expect, it } from 'vitest';
import { at } from '#base';
import { type Graph, GraphBuilder, type Node, topologicalOrder } from '#graph';
import { float32 } from '#tensor';
import { lowerGraph } from '../../../../src/engine/tensorflow/lower.ts';
import type { Plan } from '../../../../src/engine/tensorflow/plan.ts';

function plan(graph: Graph, sizes: Readonly<Record<string, number>> = {}): Plan {
  const constants = topologicalOrder(graph).filter(({ op }) => op === 'constant');
  return lowerGraph(graph, new Map<Node, number>(constants.map((node, index) => [node, index + 1])), new Map(Object.entries(sizes)));
}

const opsOf = ({ steps }: Plan): string[] => steps.map(({ op }) => op);

describe('a plan', () => {
  it('has numbers where the graph has symbols, and other numbers for other sizes', () => {
    const b = new GraphBuilder();
    const graph = b.graph({ y: b.reshape(b.input('x', 'float32', ['B', 'T', 4]), ['B*T', 4]) });
    const targets = [plan(graph, { B: 2, T: 3 }), plan(graph, { B: 1, T: 5 })].map(({ constants }) => [...at(constants, 0).tensor.data]);
    expect(targets).toEqual([
      [6, 4],
      [5, 4],
    ]);
  });

  it('frees each tensor after the step that reads it last, and no input, constant or output', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const hidden = b.tanh(b.mul(x, b.constant(float32([2], [3, 4]))));
    const made = plan(b.graph({ y: b.add(hidden, b.exp(hidden)) }));
    expect(opsOf(made)).toEqual(['Mul', 'Tanh', 'Exp', 'AddV2']);
    const resultOf = (step: number): number => at(at(made.steps, step).results, 0);
    expect(made.steps.map(({ lastUses }) => lastUses)).toEqual([[], [resultOf(0)], [], [resultOf(1), resultOf(2)]]);
    expect(made.outputs).toEqual([resultOf(3)]);
  });

  it('frees results that nothing reads at once', () => {
    const b = new GraphBuilder();
    const [, , inverse] = b.layerNorm(b.input('x', 'float32', [2, 4]), b.input('g', 'float32', [4]), b.input('c', 'float32', [4]), 1e-5);
    const made = plan(b.graph({ inverse }));
    const y = at(made.steps, opsOf(made).lastIndexOf('AddV2'));
    expect(y.lastUses).toContain(at(y.results, 0));
  });

  it('gives every output a tensor of its own', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const y = b.neg(x);
    const made = plan(b.graph({ same: x, y, again: y, fixed: b.constant(float32([1], [1])) }));
    expect(opsOf(made)).toEqual(['Neg', 'Identity', 'Identity', 'Identity']);
    expect(new Set(made.outputs).size).toBe(4);
    expect(made.steps.flatMap(({ lastUses }) => lastUses)).toEqual([]);
  });

  it('stores the same small constant once, and those of another type or shape apart', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2, 3]);
    const graph = b.graph({ y: b.reduceSum(b.reduceSum(x, [1], true), [1], true), z: b.transpose(x, [1, 0]), w: b.gelu(x) });
    const { constants } = plan(graph);
    const keys = constants.map(({ tensor }) => `${tensor.dtype} [${tensor.shape.join()}] ${[...tensor.data].join()}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual(expect.arrayContaining(['int32 [1] 1', 'int32 [2] 1,0', 'float32 [] 1']));
  });

  it('makes one product of a batch by a weight that its rows share', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2, 5, 3]);
    const graph = b.graph({ y: b.matmul(x, b.input('w', 'float32', [4, 3]), { transposeB: true }) });
    expect(opsOf(plan(graph))).toEqual(['Reshape', 'MatMul', 'Reshape']);
    const batches = b.graph({ y: b.matmul(x, b.input('z', 'float32', [2, 5, 3]), { transposeB: true, scale: 2 }) });
    expect(opsOf(plan(batches))).toEqual(['BatchMatMulV2', 'Mul']);
  });

  it('says places and sizes past 2^31 in 64 bits, all operands of an op alike', () => {
    const b = new GraphBuilder();
    const graph = b.graph({ y: b.slice(b.input('x', 'uint8', ['N']), 0, 1, 'N') });
    expect(plan(graph, { N: 2 ** 32 }).constants.map(({ tensor }) => [tensor.dtype, Number(tensor.data[0])])).toEqual([
      ['int64', 1],
      ['int64', 2 ** 32 - 1],
    ]);
    expect(plan(graph, { N: 100 }).constants.map(({ tensor }) => tensor.dtype)).toEqual(['int32', 'int32']);
  });

  it('carries the place of each op, for errors', () => {
    const b = new GraphBuilder();
    const y = b.at('h.3', () => b.at('mlp', () => b.tanh(b.input('x', 'float32', [1]))));
    expect(plan(b.graph({ y })).steps[0]?.place).toBe('h.3.mlp/tanh');
  });
});
