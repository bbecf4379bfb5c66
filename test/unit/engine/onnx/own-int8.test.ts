// The engine's own kernels for products with 8-bit weights, at sizes around every edge of their blocks, against the definition.
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { missingKernels } from '#test/own-kernels';
import { ortEnvironment } from '../../../../src/engine/onnx/environment.ts';
import { probeOwnKernels } from '../../../../src/engine/onnx/int8-probe.ts';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';

interface Form {
  readonly leading: readonly number[];
  readonly K: number;
  readonly N: number;
  readonly isFixed?: boolean;
  readonly isBiased?: boolean;
  readonly perColumn?: boolean;
}

function problem({ leading, K, N, isFixed = false, isBiased = false, perColumn = true }: Form) {
  const random = new Random(K * 1000 + N);
  const floats = (shape: readonly number[], make: () => number): HostTensor =>
    float32(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, make));
  const weights = new Map<string, HostTensor>([
    [
      'codes',
      hostTensor(
        'int8',
        [N, K],
        Int8Array.from({ length: N * K }, () => random.integer(255) - 127),
      ),
    ],
    ['scales', floats([perColumn ? N : 1], () => 0.01 * (0.5 + random.uniform()))],
    ...(isBiased ? [['bias', floats([N], () => random.normal())] as const] : []),
    ...(isFixed
      ? ([
          ['inputScale', float32([1], [0.02])],
          ['inputZeroPoint', hostTensor('uint8', [1], Uint8Array.of(140))],
        ] as const)
      : []),
  ]);
  const x = floats([...leading, K], () => random.normal() + 0.3);
  const b = new GraphBuilder();
  const value = (name: string) => {
    const { dtype, shape } = weights.get(name) ?? x;
    return b.input(name, dtype, name === 'x' ? [...leading.map((_, axis) => `D${axis}`), K] : shape);
  };
  const input = value('x');
  const given = { codes: value('codes'), scales: value('scales') };
  const product = b.matmulInt8(
    input,
    isFixed ? { ...given, input: { scale: value('inputScale'), zeroPoint: value('inputZeroPoint') } } : given,
  );
  return { graph: b.graph({ y: isBiased ? b.add(product, value('bias')) : product }), x, weights };
}

const sizes = [1, 3, 4, 15, 16, 17, 33, 64, 100];
const columns = [1, 15, 16, 17, 47, 48, 49, 97, 150];
const forms: readonly Form[] = [
  ...sizes.map((K, index) => ({ leading: [2 + (index % 3)], K, N: columns[index] ?? 1 })),
  ...columns.map((N, index) => ({ leading: [1 + index], K: 20, N, isBiased: index % 2 === 0 })),
  // Every number of rows behind whole tiles, and more rows than one thread rounds.
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 41].map((rows) => ({ leading: [rows], K: 40, N: 70, isBiased: true })),
  { leading: [2, 3, 5], K: 48, N: 48 },
  { leading: [4], K: 768, N: 96, perColumn: false },
  { leading: [3], K: 60, N: 50, isFixed: true },
  { leading: [19], K: 60, N: 50, isFixed: true, isBiased: true },
];

describe('own kernels for 8-bit weights', async () => {
  const engine = await createOnnxEngine({ device: 'cpu', kernels: 'own' });
  afterAll(() => engine.dispose());
  beforeEach((context) => {
    if (missingKernels !== undefined) context.skip(missingKernels);
  });

  it('is found right by the probe, which keeps wrong kernels from being used', async () => {
    expect(await probeOwnKernels(ortEnvironment(), { kind: 'cpu', index: 0 })).toBe(true);
    expect(engine.runtime).toContain('own kernels');
    const other = await createOnnxEngine({ device: 'cpu', kernels: 'runtime' });
    expect(other.runtime).not.toContain('own kernels');
    await other.dispose();
  });

  it.each(forms)('multiplies $leading x $K by $N columns, fixed grid: $isFixed, bias: $isBiased', async (form) => {
    const { graph, x, weights } = problem(form);
    const expected = await evaluateOnHost(graph, { x, ...Object.fromEntries(weights) });
    const program = await engine.compile(graph, { name: 'product', frozen: weights });
    const { y } = await program.run({ x });
    expectAllClose(toNumbers(y!.read()), expected['y']!.data, { relative: 1e-5, absolute: 1e-5 });
    await program.release();
  });

  it('is what is compiled where weights and bias are frozen, and only there', () => {
    const { graph, weights } = problem({ leading: [2], K: 16, N: 16, isBiased: true });
    const operators = (frozen: ReadonlyMap<string, HostTensor>, ownKernels = true): readonly string[] =>
      lowerGraph(graph, { name: 'product', frozen, portable: false, int8Weights: 'int8', ownKernels }).nodes.map(({ opType }) => opType);
    expect(operators(weights)).toEqual(['RoundRows', 'Int8Product']);
    expect(operators(new Map())).not.toContain('Int8Product');
    expect(operators(weights, false)).not.toContain('Int8Product');
    const portable = lowerGraph(graph, { name: 'product', frozen: weights, portable: true, int8Weights: 'int8', ownKernels: true });
    expect(portable.nodes.every(({ domain }) => domain === '')).toBe(true);
  });

  it('rounds an operand of several products once', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 32]);
    const weight = (name: string) => ({
      codes: b.input(`${name} codes`, 'int8', [16, 32]),
      scales: b.input(`${name} scales`, 'float32', [1]),
    });
    const frozen = new Map<string, HostTensor>(
      ['a', 'b'].flatMap((name) => [
        [`${name} codes`, hostTensor('int8', [16, 32])] as const,
        [`${name} scales`, float32([1], [1])] as const,
      ]),
    );
    const graph = b.graph({ a: b.matmulInt8(x, weight('a')), b: b.matmulInt8(x, weight('b')) });
    const { nodes } = lowerGraph(graph, { name: 'two', frozen, portable: false, int8Weights: 'int8', ownKernels: true });
    expect(nodes.map(({ opType }) => opType).toSorted()).toEqual(['Int8Product', 'Int8Product', 'RoundRows']);
  });

  it('gives a batch of zeros zeros, and survives one without rows', async () => {
    const { graph, weights } = problem({ leading: [3], K: 24, N: 20 });
    const program = await engine.compile(graph, { name: 'zeros', frozen: weights });
    const { y } = await program.run({ x: hostTensor('float32', [3, 24]) });
    expect([...(y!.read().data as Float32Array)].every((number) => number === 0)).toBe(true);
    const none = await program.run({ x: hostTensor('float32', [0, 24]) });
    expect(none['y']!.shape).toEqual([0, 20]);
    await program.release();
  });

  it('answers many runs at once with the numbers of each', async () => {
    const { graph, weights } = problem({ leading: [9], K: 200, N: 300 });
    const program = await engine.compile(graph, { name: 'many', frozen: weights });
    const inputs = Array.from({ length: 12 }, (_, index) => float32([index + 1, 200], new Float32Array((index + 1) * 200).fill(index - 5)));
    const answers = await Promise.all(inputs.map((x) => program.run({ x })));
    for (const [index, x] of inputs.entries()) {
      const expected = (await evaluateOnHost(graph, { x, ...Object.fromEntries(weights) }))['y']!.data;
      expectAllClose(toNumbers(answers[index]!['y']!.read()), expected, { relative: 1e-5, absolute: 1e-4 });
    }
    await program.release();
  });
});

it('refuses a choice of kernels that it does not know', async () => {
  await expect(createOnnxEngine({ kernels: 'fast' as 'own' })).rejects.toMatchObject({ code: 'invalid_argument' });
});
