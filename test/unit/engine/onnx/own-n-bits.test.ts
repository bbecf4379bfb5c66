// The engine's own kernels for packed codes in groups, against the definition with activations rounded as they say.
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder, type NBitsAttrs } from '#graph';
import { float32, type HostTensor, hostTensor, packedBytes, sizeOf, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { missingKernels } from '#test/own-kernels';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';

interface Form extends NBitsAttrs {
  readonly leading: readonly number[];
  readonly N: number;
  /** Groups have zero points of their own. */
  readonly isAsymmetric?: boolean;
  readonly isBiased?: boolean;
}

/** Numbers that rounding leaves as they are, where every group has one of the largest: multiples of 1/127 of it. */
function roundedNumbers(random: Random, { leading, size, groupSize }: Form): HostTensor<'float32'> {
  const shape = [...leading, size];
  const values = new Float32Array(sizeOf(shape));
  for (let index = 0; index < values.length; index++) {
    const place = (index % size) % groupSize;
    values[index] = place === 0 ? (random.integer(2) === 0 ? 127 : -127) : random.integer(255) - 127;
  }
  return float32(shape, values);
}

function problem(form: Form, draw: (random: Random, form: Form) => HostTensor = roundedNumbers) {
  const { bits, groupSize, size, N, isAsymmetric = false, isBiased = false, leading } = form;
  const random = new Random(size * 100 + N);
  const groups = Math.ceil(size / groupSize);
  const bytes = (shape: readonly number[]): HostTensor =>
    hostTensor(
      'uint8',
      shape,
      Uint8Array.from({ length: sizeOf(shape) }, () => random.integer(256)),
    );
  const floats = (shape: readonly number[], make: () => number): HostTensor =>
    float32(shape, Float32Array.from({ length: sizeOf(shape) }, make));
  const weights = new Map<string, HostTensor>([
    ['codes', bytes([N, groups, (groupSize * bits) / 8])],
    ['scales', floats([N, groups], () => 0.01 + 0.01 * random.uniform())],
    ...(isAsymmetric ? [['zeroPoints', bytes([N, packedBytes(groups, bits)])] as const] : []),
    ...(isBiased ? [['bias', floats([N], () => random.normal())] as const] : []),
  ]);
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [...leading.map((_, axis) => `D${axis}`), size]);
  const value = (name: string) => b.input(name, weights.get(name)!.dtype, weights.get(name)!.shape);
  const packed = { codes: value('codes'), scales: value('scales'), zeroPoints: isAsymmetric ? value('zeroPoints') : undefined };
  const attrs: NBitsAttrs = { bits, groupSize, size, ...(form.zero === undefined ? {} : { zero: form.zero }) };
  const product = b.matmulNBits(x, packed, attrs);
  return { graph: b.graph({ y: isBiased ? b.add(product, value('bias')) : product }), x: draw(random, form), weights };
}

const base = { bits: 4, groupSize: 32, size: 64, N: 50, leading: [3] } as const;
const forms: readonly Form[] = [
  ...[1, 15, 16, 17, 47, 48, 49, 97].map((N) => ({ ...base, N })),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17, 40].map((rows) => ({ ...base, leading: [rows], isAsymmetric: rows % 2 === 0 })),
  ...[16, 32, 64, 128].flatMap((groupSize) => [1, 20, 100, 256].map((size) => ({ ...base, groupSize, size }))),
  ...([3, 4, 8] as const).flatMap((bits) => [
    { ...base, bits },
    { ...base, bits, isAsymmetric: true, isBiased: true },
    { ...base, bits, zero: 2 },
  ]),
  { ...base, leading: [2, 3, 4] },
];

describe('own kernels for packed codes', async () => {
  const engine = await createOnnxEngine({ device: 'cpu', kernels: 'own' });
  afterAll(() => engine.dispose());
  beforeEach((context) => {
    if (missingKernels !== undefined) context.skip(missingKernels);
  });

  it.each(forms)(
    'multiplies $leading x $size by $N columns of $bits bits in groups of $groupSize, own zero points: $isAsymmetric',
    async (form) => {
      const { graph, x, weights } = problem(form);
      const expected = await evaluateOnHost(graph, { x, ...Object.fromEntries(weights) });
      const program = await engine.compile(graph, { name: 'product', frozen: weights });
      const { y } = await program.run({ x });
      const magnitude = Math.max(...expected['y']!.data.map(Math.abs));
      expectAllClose(toNumbers(y!.read()), expected['y']!.data, { relative: 1e-5, absolute: 1e-6 * magnitude });
      await program.release();
    },
  );

  it('rounds activations by at most half a step of the largest of their group', async () => {
    const form: Form = { ...base, size: 256, groupSize: 128, N: 96 };
    const normal = (random: Random): HostTensor =>
      float32(
        [3, 256],
        Float32Array.from({ length: 768 }, (_, index) => random.normal() * (index % 256 < 128 ? 1 : 1000)),
      );
    const { graph, x, weights } = problem(form, normal);
    const expected = (await evaluateOnHost(graph, { x, ...Object.fromEntries(weights) }))['y']!.data;
    const program = await engine.compile(graph, { name: 'product', frozen: weights });
    const actual = toNumbers((await program.run({ x }))['y']!.read());
    const distance = Math.hypot(...expected.map((value, index) => value - Number(actual[index])));
    expect(distance / Math.hypot(...expected)).toBeLessThan(0.01);
    await program.release();
  });

  it('is what is compiled for 3, 4 and 8 bits where the codes are frozen', () => {
    const operators = (form: Form, frozen: boolean): readonly string[] => {
      const { graph, weights } = problem(form);
      const options = {
        name: 'product',
        frozen: frozen ? weights : new Map(),
        portable: false,
        nBitsKernels: new Set([2, 4, 8]),
        int8Weights: 'int8' as const,
        ownKernels: true,
      };
      return lowerGraph(graph, options).nodes.map(({ opType }) => opType);
    };
    expect(operators(base, true)).toEqual(['RoundGroups', 'GroupedProduct4']);
    expect(operators({ ...base, isBiased: true }, true)).toEqual(['RoundGroups', 'GroupedProduct4']);
    expect(operators({ ...base, bits: 3 }, true)).toEqual(['RoundGroups', 'GroupedProduct4']);
    expect(operators({ ...base, bits: 8 }, true)).toEqual(['RoundGroups', 'GroupedProduct8']);
    expect(operators({ ...base, bits: 2 }, true)).toEqual(['MatMulNBits']);
    expect(operators({ ...base, groupSize: 8 }, true)).toEqual(['MatMulNBits']);
    expect(operators(base, false)).toEqual(['MatMulNBits']);
  });
});
