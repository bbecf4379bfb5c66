// Finds out which type of weights the runtime multiplies 8-bit activations by without cutting sums off: that depends on the processor.
import { AppError, at, invariant } from '#base';
import { definitionOf, type Graph, GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, toNumbers } from '#tensor';
import type { Environment } from './environment.ts';
import { lowerGraph } from './lower.ts';
import type { Int8Weights } from './lowering.ts';
import { relativeDistance, runOnce } from './probe-run.ts';
import { type Device, printDevice } from './providers.ts';

/** In the order of speed. */
const candidates: readonly Int8Weights[] = ['int8', 'uint8'];
/** Integer sums are exact; what differs is the rounding of the scales. */
const tolerance = 1e-4;

const known = new Map<string, Promise<Int8Weights | undefined>>();

/**
 * The type of weights for which products of 8-bit integers are right on the device, or undefined where none is. Probed once in a process.
 *
 * Processors with AVX2 and without VNNI add pairs of unsigned by signed products in 16 bits, which 2·255·127 does not fit; unsigned by unsigned
 * they widen first. Other devices have no such kernels.
 */
export function probeInt8(environment: Environment, device: Device): Promise<Int8Weights | undefined> {
  if (device.kind !== 'cpu') return Promise.resolve(undefined);
  const key = printDevice(device);
  const before = known.get(key);
  if (before !== undefined) return before;
  const probed = probeAll(environment, device);
  known.set(key, probed);
  return probed;
}

async function probeAll(environment: Environment, device: Device): Promise<Int8Weights | undefined> {
  const { graph, inputs, shape } = largestSums();
  const expected = expectedSums(inputs, shape);
  for (const int8Weights of candidates) {
    try {
      const model = lowerGraph(graph, { name: `probe ${int8Weights}`, frozen: new Map(), portable: false, int8Weights });
      const [result] = await runOnce(environment, device, model, inputs, shape, 1);
      if (result !== undefined && isExact(result, expected)) return int8Weights;
    } catch (thrown) {
      // A runtime without this kernel refuses the graph; plain operators take its place.
      if (AppError.from(thrown).code !== 'engine_failure') throw thrown;
    }
  }
  return undefined;
}

/** Whether no sum was cut off. */
export function isExact(actual: ArrayLike<number>, expected: Float64Array): boolean {
  return relativeDistance(actual, expected) < tolerance;
}

/** Several rows of activations at the end of their range by weights at the end of theirs, some of them negative. */
function largestSums(): { graph: Graph; inputs: readonly HostTensor[]; shape: readonly [number, number] } {
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
  return { graph, inputs: [codes, scales, x], shape: [rows, N] };
}

function expectedSums(inputs: readonly HostTensor[], shape: readonly [number, number]): Float64Array {
  const [codes, scales, x] = inputs.map((tensor) => ({ shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) }));
  invariant(codes !== undefined && scales !== undefined && x !== undefined, 'the probe has three inputs');
  const operands = [x, codes, scales];
  const evaluated = definitionOf('matmulInt8').evaluate(operands, {}, [shape], [{ dtype: 'float32', shape }]);
  return ('data' in evaluated ? evaluated : at(evaluated, 0)).data;
}
