// Finds out which products with packed codes the runtime computes correctly on a device: that varies by version and provider.
import { at, Random } from '#base';
import { definitionOf, GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor, toNumbers } from '#tensor';
import type { Environment } from './environment.ts';
import { lowerGraph } from './lower.ts';
import { isRightHere, oncePerDevice, relativeDistance, runOnce } from './probe-run.ts';
import type { Device } from './providers.ts';

const candidates = [2, 4, 8] as const;
/** Rounding activations to 8 bits moves results by less than one percent; a wrong layout by about a hundred. */
const tolerance = 0.03;

/** Bits a weight for which `MatMulNBits` gives the right result on the device. */
export const probeNBits = oncePerDevice(async (environment, device): Promise<ReadonlySet<number>> => {
  const working = new Set<number>();
  for (const bits of candidates) if (await isRightHere(() => isRight(environment, device, bits))) working.add(bits);
  return working;
});

/** Two rows, 40 inputs in groups of 32 (so that the last is padded) and 24 outputs: with codes that are constant, and with codes that are inputs. */
async function isRight(environment: Environment, device: Device, bits: number): Promise<boolean> {
  const [rows, columns] = [2, 24];
  const attrs = { bits, groupSize: 32, size: 40 };
  const random = new Random(bits);
  const bytes = (...shape: number[]): HostTensor<'uint8'> =>
    hostTensor(
      'uint8',
      shape,
      Uint8Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.integer(256)),
    );
  const x = float32(
    [rows, attrs.size],
    Float32Array.from({ length: rows * attrs.size }, () => random.normal()),
  );
  const scales = float32(
    [columns, 2],
    Float32Array.from({ length: columns * 2 }, () => 0.5 + random.uniform()),
  );
  const operands = { x, codes: bytes(columns, 2, 4 * bits), scales, zeroPoints: bytes(columns, Math.ceil(bits / 4)) };

  const b = new GraphBuilder();
  const value = b.input('x', 'float32', x.shape);
  const packed = (prefix: string) => ({
    codes: b.input(`${prefix}codes`, 'uint8', operands.codes.shape),
    scales: b.input(`${prefix}scales`, 'float32', scales.shape),
    zeroPoints: b.input(`${prefix}zeroPoints`, 'uint8', operands.zeroPoints.shape),
  });
  const graph = b.graph({
    constant: b.matmulNBits(value, packed('frozen '), attrs),
    changing: b.matmulNBits(value, packed(''), attrs),
  });
  const frozen = new Map<string, HostTensor>(
    (['codes', 'scales', 'zeroPoints'] as const).map((name) => [`frozen ${name}`, operands[name]] as const),
  );
  const model = lowerGraph(graph, { name: `probe ${bits} bits`, frozen, portable: false, nBitsKernels: new Set([bits]) });
  const inputs = [operands.x, operands.codes, operands.scales, operands.zeroPoints];
  const results = await runOnce(environment, device, model, inputs, [rows, columns], 2);

  const plain = inputs.map((tensor) => ({ shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) }));
  const type = { dtype: 'float32', shape: [rows, columns] } as const;
  const evaluated = definitionOf('matmulNBits').evaluate(plain, attrs, [[rows, columns]], [type]);
  const expected = 'data' in evaluated ? evaluated : at(evaluated, 0);
  return results.every((result) => relativeDistance(result, expected.data) < tolerance);
}
