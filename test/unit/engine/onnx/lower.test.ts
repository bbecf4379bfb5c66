// The lowering: which ONNX nodes a graph becomes.
import { describe, expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { type Graph, GraphBuilder, gradients } from '#graph';
import { float32, hostTensor, int64 } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';
import type { OnnxModel } from '../../../../src/engine/onnx/onnx-proto.ts';

function lower(graph: Graph, portable = false): OnnxModel {
  return lowerGraph(graph, { name: 'test', frozen: new Map(), portable });
}

const opTypes = (model: OnnxModel): string[] => model.nodes.map(({ opType }) => opType);

describe('lowering', () => {
  it('needs no run-time sizes where a reshape copies or infers them', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 'T', 12]);
    const model = lower(b.graph({ heads: b.reshape(x, ['B', 'T', 3, 4]), flat: b.reshape(x, ['B*T', 12]) }));
    expect(opTypes(model)).toEqual(['Reshape', 'Reshape']);
  });

  it('asks for each size once, from an input that has it', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 'T', 4]);
    const flat = b.reshape(x, ['B*T', 4]);
    const one = b.reshape(b.exp(flat), ['B', 'T', 4]);
    const two = b.reshape(b.neg(flat), ['B', 'T', 4]);
    const shapes = lower(b.graph({ one, two })).nodes.filter(({ opType }) => opType === 'Shape');
    expect(shapes.map(({ inputs }) => inputs)).toEqual([['x']]);
  });

  it('leaves broadcasts to the elementwise op that reads them', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 4]);
    const row = b.input('row', 'float32', [4]);
    const spread = b.broadcastTo(row, ['B', 4]);
    expect(opTypes(lower(b.graph({ y: b.mul(x, spread) })))).toEqual(['Mul']);
    // Two broadcasts make the full shape together, and an output needs it.
    expect(opTypes(lower(b.graph({ y: b.mul(spread, b.broadcastTo(b.reshape(row, [1, 4]), ['B', 4])) })))).toContain('Expand');
    expect(opTypes(lower(b.graph({ y: b.mul(x, spread), spread })))).toContain('Expand');
  });

  it('names nodes after their place', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2, 2]);
    const y = b.at('h.0', () => b.at('mlp', () => b.gelu(x)));
    expect(lower(b.graph({ y })).nodes[0]?.name).toBe('h.0.mlp/gelu#0');
  });

  it('writes outputs where they are made, and copies only what has no node of its own', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const y = b.exp(x);
    const model = lower(b.graph({ y, again: y, x2: x }));
    expect(opTypes(model)).toEqual(['Exp', 'Identity', 'Identity']);
    expect(model.nodes.map(({ outputs }) => outputs[0])).toEqual(['y', 'again', 'x2']);
  });

  it('uses only published operators for export', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 8]);
    const [y] = b.rmsNorm(x, b.input('gain', 'float32', [8]), 1e-6);
    expect(opTypes(lower(b.graph({ y })))).toEqual(['SimplifiedLayerNormalization']);
    expect(opTypes(lower(b.graph({ y }), true))).not.toContain('SimplifiedLayerNormalization');
  });

  it('makes the gradient of a cross-entropy without a one-hot tensor', async () => {
    const b = new GraphBuilder();
    const logits = b.input('logits', 'float32', ['N', 5]);
    const labels = b.input('labels', 'int64', ['N']);
    const [losses] = b.crossEntropy(logits, labels);
    const [dLogits = logits] = gradients(b, b.reduceSum(losses, [0]), [logits]);
    const graph = b.graph({ dLogits });
    expect(opTypes(lower(graph))).not.toContain('OneHot');

    const engine = await createOnnxEngine();
    const program = await engine.compile(graph);
    const results = await program.run({ logits: hostTensor('float32', [2, 5]), labels: int64([2], [1, 4]) });
    expectAllClose(results['dLogits']?.read().data ?? [], [0.2, -0.8, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, -0.8], { absolute: 1e-6 });
    await engine.dispose();
  });

  it('keeps a one-hot tensor that something else reads', () => {
    const b = new GraphBuilder();
    const oneHot = b.oneHot(b.input('ids', 'int64', ['N']), 4);
    expect(opTypes(lower(b.graph({ y: b.sub(b.input('x', 'float32', ['N', 4]), oneHot), oneHot })))).toContain('OneHot');
    expect(opTypes(lower(b.graph({ y: b.sub(b.input('row', 'float32', [4]), oneHot) })))).toContain('OneHot');
  });

  it('shares small constants that are equal', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const three = (): ReturnType<typeof b.constant> => b.constant(float32([2], [3, 3]));
    expect(lower(b.graph({ y: b.add(b.mul(x, three()), three()) })).initializers).toHaveLength(1);
  });
});
