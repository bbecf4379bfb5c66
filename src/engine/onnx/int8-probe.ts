// Finds out which type of weights the runtime multiplies 8-bit activations by without cutting sums off: that depends on the processor.
import { AppError, at } from '#base';
import { definitionOf, type Graph, GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, toNumbers } from '#tensor';
import type { Environment } from './environment.ts';
import { hasInstructions } from './kernels/domain.ts';
import { type LowerOptions, lowerGraph } from './lower.ts';
import type { Int8Weights } from './lowering.ts';
import { isRightHere, oncePerDevice, relativeDistance, runOnce } from './probe-run.ts';
import type { Device } from './providers.ts';

/** In the order of speed. */
const candidates: readonly Int8Weights[] = ['int8', 'uint8'];
/** Integer sums are exact; what differs is the rounding of the scales. */
const tolerance = 1e-4;

/**
 * The type of weights for which products of 8-bit integers are right on the device, or undefined where none is.
 *
 * Processors with AVX2 and without VNNI add pairs of unsigned by signed products in 16 bits, which 2·255·127 does not fit; unsigned by unsigned
 * they widen first. Other devices have no such kernels.
 */
export const probeInt8 = oncePerDevice(async (environment, device): Promise<Int8Weights | undefined> => {
  if (device.kind !== 'cpu') return undefined;
  const sums = largestSums();
  for (const int8Weights of candidates)
    if (await isRightHere(() => isRight(environment, device, sums, { name: `probe ${int8Weights}`, frozen: new Map(), int8Weights })))
      return int8Weights;
  return undefined;
});

/** @param kernels - `own` or `runtime` @throws AppError `invalid_argument` */
export function areOwnWanted(kernels = process.env['ATHANOR_KERNELS'] ?? 'own'): boolean {
  if (kernels === 'own' || kernels === 'runtime') return kernels === 'own';
  throw new AppError('invalid_argument', `ATHANOR_KERNELS: must be own or runtime, got ${kernels}.`, { details: { field: 'kernels' } });
}

/** Whether the kernels of our own run on the device and are right there. */
export const probeOwnKernels = oncePerDevice(async (environment, device): Promise<boolean> => {
  if (device.kind !== 'cpu' || !hasInstructions()) return false;
  const sums = largestSums();
  const options = { name: 'probe own kernels', frozen: sums.weights, ownKernels: true };
  return await isRightHere(() => isRight(environment, device, sums, options));
});

async function isRight(environment: Environment, device: Device, sums: Sums, options: Omit<LowerOptions, 'portable'>): Promise<boolean> {
  const model = lowerGraph(sums.graph, { ...options, portable: false });
  const inputs = options.frozen.size > 0 ? [sums.x] : [...sums.weights.values(), sums.x];
  const [result] = await runOnce(environment, device, model, inputs, sums.shape, 1);
  return result !== undefined && isExact(result, expectedSums(sums));
}

/** Whether no sum was cut off. */
export function isExact(actual: ArrayLike<number>, expected: Float64Array): boolean {
  return relativeDistance(actual, expected) < tolerance;
}

interface Sums {
  readonly graph: Graph;
  readonly x: HostTensor;
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly shape: readonly [number, number];
}

/** Several rows of activations at the end of their range by weights at the end of theirs, some of them negative. */
function largestSums(): Sums {
  const [rows, K, N] = [5, 96, 24];
  const x = float32([rows, K], new Float32Array(rows * K).fill(255));
  const codes = hostTensor(
    'int8',
    [N, K],
    Int8Array.from({ length: N * K }, (_, index) => (Math.floor(index / K) % 3 === 0 && index % 4 === 0 ? -127 : 127)),
  );
  const scales = float32([N], new Float32Array(N).fill(1));
  const b = new GraphBuilder();
  const weight = { codes: b.input('codes', 'int8', codes.shape), scales: b.input('scales', 'float32', scales.shape) };
  const value = b.input('x', 'float32', x.shape);
  const graph = b.graph({ y: b.matmulInt8(value, weight) });
  const weights = new Map<string, HostTensor>([
    ['codes', codes],
    ['scales', scales],
  ]);
  return { graph, x, weights, shape: [rows, N] };
}

function expectedSums({ x, weights, shape }: Sums): Float64Array {
  const operands = [x, ...weights.values()].map((tensor) => ({ shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) }));
  const evaluated = definitionOf('matmulInt8').evaluate(operands, {}, [shape], [{ dtype: 'float32', shape }]);
  return ('data' in evaluated ? evaluated : at(evaluated, 0)).data;
}
