// How long one product of activations [rows, 768] and a weight [768, 3072] takes in each form of the weight: `npx tsx test/bench/int8-products.ts`.
//
// Microseconds of processor time with one thread, which other programs on the machine hardly change: first quartiles of batches, all forms in turn.
import { Random } from '#base';
import { GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, rawBytes } from '#tensor';
import { ortEnvironment } from '../../src/engine/onnx/environment.ts';
import { lowerGraph } from '../../src/engine/onnx/lower.ts';
import type { Int8Weights } from '../../src/engine/onnx/lowering.ts';
import { addressOf, offHeap } from '../../src/engine/onnx/native-memory.ts';
import { Session } from '../../src/engine/onnx/session.ts';
import { tensorValue } from '../../src/engine/onnx/tensor-value.ts';

const [K, N, groupSize] = [768, 3072, 32];
const environment = ortEnvironment();
const random = new Random(1);
const bytes = (shape: number[]): HostTensor =>
  hostTensor(
    'uint8',
    shape,
    Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.integer(256)),
  );
const floats = (shape: number[]): HostTensor =>
  float32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0.02 * random.normal()),
  );

interface Form {
  readonly name: string;
  readonly run: () => void;
}

function form(
  name: string,
  rows: number,
  options: { bits?: number; level?: number; int8Weights?: Int8Weights; isStatic?: boolean },
): Promise<Form> {
  const { bits, level, int8Weights, isStatic = false } = options;
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [rows, K]);
  const frozen = new Map<string, HostTensor>();
  const weight = (key: string, tensor: HostTensor) => {
    frozen.set(key, tensor);
    return b.input(key, tensor.dtype, tensor.shape);
  };
  const product = () => {
    if (bits !== undefined) {
      const packed = {
        codes: weight('codes', bytes([N, K / groupSize, (groupSize * bits) / 8])),
        scales: weight('scales', floats([N, K / groupSize])),
      };
      return b.matmulNBits(x, packed, { bits, groupSize, size: K });
    }
    if (int8Weights === undefined) return b.matmul(x, weight('weight', floats([K, N])));
    const codes = hostTensor(
      'int8',
      [N, K],
      Int8Array.from(rawBytes(bytes([N, K])), (code) => code - 128),
    );
    const input = isStatic
      ? {
          scale: weight('inputScale', float32([1], [0.02])),
          zeroPoint: weight('inputZeroPoint', hostTensor('uint8', [1], Uint8Array.of(128))),
        }
      : undefined;
    return b.matmulInt8(x, { codes: weight('codes', codes), scales: weight('scales', floats([N])), input });
  };
  const graph = b.graph({ y: product() });
  const lowered = lowerGraph(graph, { name, frozen, portable: false, nBitsKernels: new Set([2, 4, 8]), int8Weights });
  const nodes = lowered.nodes.map((node) =>
    level === undefined || node.opType !== 'MatMulNBits' ? node : { ...node, attributes: { ...node.attributes, accuracy_level: level } },
  );
  return sessionOf(name, { ...lowered, nodes }, rows);
}

async function sessionOf(name: string, model: Parameters<typeof Session.create>[1], rows: number): Promise<Form> {
  const session = await Session.create(environment, model, { device: { kind: 'cpu', index: 0 }, threads: 1 });
  const tensor = (shape: readonly [number, number], fill?: HostTensor) => {
    const sizeBytes = shape[0] * shape[1] * 4;
    const memory = offHeap(sizeBytes);
    if (fill !== undefined) new Uint8Array(memory).set(rawBytes(fill));
    return {
      memory,
      value: tensorValue(environment, environment.cpuMemory, { pointer: addressOf(memory), sizeBytes, dtype: 'float32', shape }),
    };
  };
  const [x, y] = [tensor([rows, K], floats([rows, K])), tensor([rows, N])];
  return { name, run: () => session.runHere([x.value], [y.value]) };
}

function quartileMicroseconds(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 4)] ?? 0;
}

process.stdout.write('| weight | 1 row | 8 rows | 32 rows | 512 rows |\n| --- | --- | --- | --- | --- |\n');
const cells = new Map<string, string[]>();
for (const rows of [1, 8, 32, 512]) {
  const forms = await Promise.all([
    form('fp32', rows, {}),
    form('8 bits, activations as floats', rows, { bits: 8, level: 1 }),
    form('8 bits, activations rounded by the kernel', rows, { bits: 8, level: 4 }),
    form('4 bits, activations as floats', rows, { bits: 4, level: 1 }),
    form('4 bits, activations rounded by the kernel', rows, { bits: 4, level: 4 }),
    form('2 bits, activations rounded by the kernel', rows, { bits: 2, level: 4 }),
    form('int8 dynamic', rows, { int8Weights: 'int8' }),
    form('int8 dynamic, unsigned weights', rows, { int8Weights: 'uint8' }),
    form('int8 static', rows, { int8Weights: 'int8', isStatic: true }),
  ]);
  const repeats = rows > 100 ? 1 : 10;
  const samples = new Map(forms.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < 15; round++)
    for (const { name, run } of forms) {
      const start = process.cpuUsage();
      for (let repeat = 0; repeat < repeats; repeat++) run();
      // The first rounds pack weights and wake threads.
      const { user, system } = process.cpuUsage(start);
      const used = user + system;
      if (round > 2) samples.get(name)?.push(used / repeats);
    }
  for (const [name, taken] of samples) cells.set(name, [...(cells.get(name) ?? []), quartileMicroseconds(taken).toFixed(0)]);
}
for (const [name, row] of cells) process.stdout.write(`| ${name} | ${row.join(' | ')} |\n`);
