// Products in 8-bit integers: the runtime's kernels with either type of weights, the published operators, and plain floats.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { type Graph, GraphBuilder, gradients } from '#graph';
import { float32, type HostTensor, hostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { ortEnvironment } from '../../../../src/engine/onnx/environment.ts';
import { isExact, probeInt8 } from '../../../../src/engine/onnx/int8-probe.ts';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';
import type { Int8Weights } from '../../../../src/engine/onnx/lowering.ts';
import { runOnce } from '../../../../src/engine/onnx/probe-run.ts';

const [rows, N, K] = [5, 24, 150];
const cpu = { kind: 'cpu', index: 0 } as const;

interface Case {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, HostTensor>>;
}

/** Activations and weights that reach the ends of their ranges, where sums are largest. */
function productOf(isStatic: boolean, perChannel: boolean): Case {
  const random = new Random(3);
  const numbers = (shape: number[], make: () => number): HostTensor =>
    float32(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b) }, make));
  const inputs: Record<string, HostTensor> = {
    x: numbers([rows, K], () => 2 * random.uniform() - 0.1),
    codes: hostTensor(
      'int8',
      [N, K],
      Int8Array.from({ length: N * K }, () => 127 - random.integer(20)),
    ),
    scales: numbers([perChannel ? N : 1], () => 0.5 + random.uniform()),
    ...(isStatic ? { inputScale: float32([1], [0.007]), inputZeroPoint: hostTensor('uint8', [1], Uint8Array.of(14)) } : {}),
  };
  const b = new GraphBuilder();
  const value = (name: string) => b.input(name, inputs[name]!.dtype, inputs[name]!.shape);
  const [x, codes, scales] = [value('x'), value('codes'), value('scales')];
  const input = isStatic ? { scale: value('inputScale'), zeroPoint: value('inputZeroPoint') } : undefined;
  return { graph: b.graph({ y: b.matmulInt8(x, { codes, scales, input }) }), inputs };
}

const operatorsOf = (graph: Graph, portable: boolean, int8Weights?: Int8Weights): string[] =>
  lowerGraph(graph, { name: 'int8', frozen: new Map(), portable, int8Weights }).nodes.map(({ opType }) => opType);

const cases = [true, false].flatMap((isStatic) => [true, false].map((perChannel) => ({ isStatic, perChannel })));

describe('matmulInt8 on ONNX Runtime', async () => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());

  it('has exact products on this processor, with one of the two types of weights', async () => {
    expect(await probeInt8(ortEnvironment(), cpu)).toMatch(/int8/);
  });

  it('would notice sums that were cut off', () => {
    const exact = Float64Array.from({ length: 8 }, () => 96 * 255 * 127);
    expect(isExact(exact, exact)).toBe(true);
    // Pairs cut off at 2^15 − 1, as vpmaddubsw does.
    expect(isExact(new Float64Array(8).fill(48 * 32767), exact)).toBe(false);
  });

  it('takes the fused kernels, or published operators for other tools, or plain ones where no kernel is exact', () => {
    const [dynamic, fixed] = [productOf(false, true).graph, productOf(true, true).graph];
    expect(operatorsOf(dynamic, false, 'int8')).toEqual(['Transpose', 'DynamicQuantizeMatMul']);
    expect(operatorsOf(fixed, false, 'int8')).toContain('MatMulIntegerToFloat');
    expect(operatorsOf(dynamic, true, 'int8')).toEqual(expect.arrayContaining(['DynamicQuantizeLinear', 'MatMulInteger']));
    expect(operatorsOf(fixed, true, 'int8')).toEqual(expect.arrayContaining(['QuantizeLinear', 'MatMulInteger']));
    for (const graph of [dynamic, fixed]) expect(operatorsOf(graph, false)).toContain('MatMul');
  });

  const ways = [
    { name: 'int8 weights', portable: false, int8Weights: 'int8' },
    { name: 'uint8 weights', portable: false, int8Weights: 'uint8' },
    { name: 'published operators', portable: true, int8Weights: undefined },
    { name: 'plain operators', portable: false, int8Weights: undefined },
  ] as const;
  it.each(ways.flatMap((way) => cases.map((each) => ({ ...way, ...each }))))(
    'is right with $name, static $isStatic, per channel $perChannel',
    async ({ portable, int8Weights, isStatic, perChannel }) => {
      const { graph, inputs } = productOf(isStatic, perChannel);
      const model = lowerGraph(graph, { name: 'int8', frozen: new Map(), portable, int8Weights });
      const given = graph.inputs.map(({ name }) => inputs[name]!);
      const [actual] = await runOnce(ortEnvironment(), cpu, model, given, [rows, N], 1);
      const expected = (await evaluateOnHost(graph, inputs))['y']!.data;
      expectAllClose(actual!, expected, { relative: 1e-5, absolute: 1e-3, what: 'y' });
    },
  );

  it.each(cases)('is the same with weights that never change: static $isStatic, per channel $perChannel', async (each) => {
    const { graph, inputs } = productOf(each.isStatic, each.perChannel);
    const { x, ...weights } = inputs;
    const program = await engine.compile(graph, { frozen: new Map(Object.entries(weights)) });
    const { y } = await program.run({ x: x! });
    const expected = (await evaluateOnHost(graph, inputs))['y']!.data;
    expectAllClose(toNumbers(y!.read()), expected, { relative: 1e-5, absolute: 1e-3, what: 'y' });
    y!.release();
    await program.release();
  });
});

describe('the gradient of matmulInt8', () => {
  it('is that of the product of floats where a number is on its grid, and nothing where it was cut off', async () => {
    const b = new GraphBuilder();
    const [x, codes, scales] = [b.input('x', 'float64', [1, 3]), b.input('codes', 'int8', [2, 3]), b.input('scales', 'float64', [2])];
    const input = { scale: b.input('scale', 'float64', [1]), zeroPoint: b.input('zeroPoint', 'uint8', [1]) };
    const both = [b.matmulInt8(x, { codes, scales, input }), b.matmulInt8(x, { codes, scales })];
    const [fixed, dynamic] = both.map((y) => gradients(b, b.reduceSum(y, [0, 1]), [x])[0]!);
    const results = await evaluateOnHost(b.graph({ fixed: fixed!, dynamic: dynamic! }), {
      // The grid 0.1·(0 … 255 − 128) reaches from -12.8 to 12.7.
      x: hostTensor('float64', [1, 3], Float64Array.of(1, 20, -30)),
      codes: hostTensor('int8', [2, 3], Int8Array.of(1, 2, 3, 10, 20, 30)),
      scales: hostTensor('float64', [2], Float64Array.of(0.5, 0.25)),
      scale: hostTensor('float64', [1], Float64Array.of(0.1)),
      zeroPoint: hostTensor('uint8', [1], Uint8Array.of(128)),
    });
    expect([...results['fixed']!.data]).toEqual([0.5 + 2.5, 0, 0]);
    expect([...results['dynamic']!.data]).toEqual([3, 6, 9]);
  });
});
