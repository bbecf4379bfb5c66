// Products that are rounded on the way in: the runtime's integer kernels and the plain form give the numbers of the reference.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { type Graph, GraphBuilder, type RoundedMatmulAttrs, verifyGraph } from '#graph';
import { float32, type HostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';
import type { Int8Weights } from '../../../../src/engine/onnx/lowering.ts';

const [B, T, K, N] = [2, 5, 160, 72];

const forms = (['row', 'tensor'] as const).flatMap((scales) =>
  [false, true].flatMap((transposeB) => [false, true].map((withBias) => ({ scales, transposeB, withBias }))),
);

function productOf(
  { scales, transposeB }: Pick<RoundedMatmulAttrs, 'scales' | 'transposeB'>,
  withBias: boolean,
  batch: number | string = B,
): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [batch, T, K]);
  const w = b.input('w', 'float32', transposeB ? [N, K] : [K, N]);
  const y = b.roundedMatmul(x, w, { scales, transposeB, scale: 0.25 });
  const graph = b.graph({ y: withBias ? b.add(y, b.input('bias', 'float32', [N])) : y });
  verifyGraph(graph);
  return graph;
}

/** Rows of very different sizes, as gradients have. */
function inputsOf(graph: Graph): Record<string, HostTensor> {
  const random = new Random(7);
  const shapes = { x: [B, T, K], w: graph.inputs[1]!.value.shape as number[], bias: [N] };
  return Object.fromEntries(
    graph.inputs.map(({ name }) => {
      const shape = shapes[name as keyof typeof shapes];
      const size = shape.reduce((all, dim) => all * dim, 1);
      return [
        name,
        float32(
          shape,
          Float32Array.from({ length: size }, (_, index) => random.normal() * 10 ** -(Math.floor(index / K) % 4)),
        ),
      ];
    }),
  );
}

const operatorsOf = (graph: Graph, portable: boolean, int8Weights?: Int8Weights): string[] =>
  lowerGraph(graph, { name: 'rounded', frozen: new Map(), portable, int8Weights }).nodes.map(({ opType }) => opType);

describe('roundedMatmul on ONNX Runtime', async () => {
  const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
  afterAll(() => engine.dispose());

  it.each(forms)('gives the numbers of the reference: $scales, transposed $transposeB, bias $withBias', async ({ withBias, ...attrs }) => {
    const graph = productOf(attrs, withBias);
    const inputs = inputsOf(graph);
    const program = await engine.compile(graph);
    const { y } = await program.run(inputs);
    const expected = (await evaluateOnHost(graph, inputs))['y']!.data;
    expectAllClose(toNumbers(y!.read()), expected, { relative: 1e-4, absolute: 1e-4, what: 'y' });
    y!.release();
    await program.release();
  });

  it('sums over rows in integers as the reference does', async () => {
    const b = new GraphBuilder();
    const y = b.roundedGradient(b.input('x', 'float32', [300, 48]), b.input('w', 'float32', [300, N]), { scale: 0.25 });
    const graph = b.graph({ y });
    expect(operatorsOf(graph, false, 'int8')).toContain('MatMulIntegerToFloat');
    expect(operatorsOf(graph, true, 'int8').join()).not.toMatch(/Quantize|Integer/);
    const random = new Random(9);
    const normal = (...shape: number[]) =>
      float32(
        shape,
        Float32Array.from({ length: 300 * shape[1]! }, () => random.normal()),
      );
    const inputs = { x: normal(300, 48), w: normal(300, N) };
    const program = await engine.compile(graph);
    const { y: result } = await program.run(inputs);
    const expected = (await evaluateOnHost(graph, inputs))['y']!.data;
    expectAllClose(toNumbers(result!.read()), expected, { relative: 1e-4, absolute: 1e-3, what: 'y' });
    result!.release();
    await program.release();
  });

  it('takes a batch whose size a run fixes', async () => {
    const graph = productOf({ scales: 'row', transposeB: false }, true, 'B');
    const inputs = inputsOf(graph);
    const program = await engine.compile(graph);
    const { y } = await program.run(inputs);
    const expected = (await evaluateOnHost(graph, inputs))['y']!.data;
    expectAllClose(toNumbers(y!.read()), expected, { relative: 1e-4, absolute: 1e-4, what: 'y' });
    y!.release();
    await program.release();
  });

  it('multiplies unsigned by signed codes, and adds the bias in the kernel where there is one scale', () => {
    const ofRows = operatorsOf(productOf({ scales: 'row', transposeB: false }, true), false, 'int8');
    expect(ofRows).toEqual(expect.arrayContaining(['QuantizeLinear', 'MatMulIntegerToFloat', 'Add']));
    const ofTensor = operatorsOf(productOf({ scales: 'tensor', transposeB: false }, true), false, 'int8');
    expect(ofTensor).toContain('DynamicQuantizeMatMul');
    expect(ofTensor).not.toContain('Add');
  });

  it.each([
    ['for other tools', true, 'int8'],
    ['where sums of signed products are cut off', false, 'uint8'],
    ['without integer kernels', false, undefined],
  ] as const)('is plain arithmetic %s', (_, portable, int8Weights) => {
    for (const scales of ['row', 'tensor'] as const) {
      const operators = operatorsOf(productOf({ scales, transposeB: true }, true), portable, int8Weights);
      expect(operators).toContain('MatMul');
      expect(operators).toContain('Add');
      expect(operators.join()).not.toMatch(/Quantize|Integer/);
    }
  });
});
