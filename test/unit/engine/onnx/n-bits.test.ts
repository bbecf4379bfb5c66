// Products with packed codes: the runtime's kernels as the probe found them, constant and changing codes, and the plain operators.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { type Graph, GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, packedBytes, toNumbers } from '#tensor';
import { ortEnvironment } from '../../../../src/engine/onnx/environment.ts';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';
import { probeNBits } from '../../../../src/engine/onnx/n-bits-probe.ts';

const [rows, columns, size, groupSize] = [5, 24, 150, 32];
const groups = Math.ceil(size / groupSize);

interface Case {
  readonly graph: Graph;
  readonly x: HostTensor;
  readonly weights: Readonly<Record<string, HostTensor>>;
}

function productOf(bits: number, isAsymmetric: boolean): Case {
  const random = new Random(bits);
  const bytes = (...shape: number[]): HostTensor =>
    hostTensor(
      'uint8',
      shape,
      Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.integer(256)),
    );
  const numbers = (shape: number[], make: () => number): HostTensor =>
    float32(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b) }, make));
  const weights = {
    codes: bytes(columns, groups, (groupSize * bits) / 8),
    scales: numbers([columns, groups], () => 0.5 + random.uniform()),
    ...(isAsymmetric ? { zeroPoints: bytes(columns, packedBytes(groups, bits)) } : {}),
  };
  const b = new GraphBuilder();
  const [x, codes, scales, zeroPoints] = [
    b.input('x', 'float32', ['N', size]),
    b.input('codes', 'uint8', weights.codes.shape),
    b.input('scales', 'float32', weights.scales.shape),
    isAsymmetric ? b.input('zeroPoints', 'uint8', [columns, packedBytes(groups, bits)]) : undefined,
  ];
  const graph = b.graph({ y: b.matmulNBits(x, { codes, scales, zeroPoints }, { bits, groupSize, size }) });
  return { graph, x: numbers([rows, size], () => random.normal()), weights };
}

async function distanceOf(engine: Engine, { graph, x, weights }: Case, isFrozen: boolean): Promise<number> {
  const frozen = new Map(Object.entries(weights));
  const program = await engine.compile(graph, isFrozen ? { frozen } : {});
  const { y } = await program.run(isFrozen ? { x } : { x, ...weights });
  const actual = toNumbers(y!.read());
  const expected = (await evaluateOnHost(graph, { x, ...weights }))['y']!.data;
  y!.release();
  await program.release();
  const energy = (values: Float64Array): number => values.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(energy(expected.map((value, index) => value - actual[index]!)) / energy(expected));
}

const operatorsOf = (graph: Graph, portable: boolean, kernels: readonly number[]): string[] =>
  lowerGraph(graph, { name: 'n bits', frozen: new Map(), portable, nBitsKernels: new Set(kernels) }).nodes.map(({ opType }) => opType);

describe('matmulNBits on ONNX Runtime', async () => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());

  it('has kernels for 4 and 8 bits in the runtime that we ship with', async () => {
    const found = await probeNBits(ortEnvironment(), { kind: 'cpu', index: 0 });
    expect(found.has(4) && found.has(8)).toBe(true);
    expect(found.has(3)).toBe(false);
  });

  it('takes the kernel where there is one, and plain operators otherwise and for other tools', () => {
    const { graph } = productOf(4, true);
    expect(operatorsOf(graph, false, [4])).toEqual(['MatMulNBits']);
    for (const plain of [operatorsOf(graph, false, [8]), operatorsOf(graph, true, [4])]) {
      expect(plain).not.toContain('MatMulNBits');
      expect(plain).toContain('MatMul');
    }
  });

  it.each([2, 3, 4, 8].flatMap((bits) => [true, false].map((asymmetric) => [bits, asymmetric] as const)))(
    'is exact with changing codes and near with constant ones: %i bits, zero points %s',
    async (bits, asymmetric) => {
      const product = productOf(bits, asymmetric);
      expect(await distanceOf(engine, product, false)).toBeLessThan(1e-5);
      expect(await distanceOf(engine, product, true)).toBeLessThan(0.02);
    },
  );
});
