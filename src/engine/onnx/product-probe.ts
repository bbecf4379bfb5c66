// Finds out whether the device multiplies matrices of 16-bit floats in kernels of its own, and rounds them as it should.
import { GraphBuilder } from '#graph';
import { float32, type HostTensor, type NarrowFloat, narrowFloats } from '#tensor';
import type { Environment } from './environment.ts';
import { lowerGraph } from './lower.ts';
import type { NarrowProducts, ProductForm } from './lowering.ts';
import { isRightHere, oncePerDevice, runOnce } from './probe-run.ts';
import type { Device } from './providers.ts';

/** In the order of speed: one kernel with transposes and scale, or the published operator beside them. */
const candidates: readonly ProductForm[] = ['fused', 'plain'];

/**
 * The kernels for products in each of the types; none where products are to be computed in float32 and rounded.
 *
 * It does not do to ask whether such a graph runs: where the runtime has no kernel for float16 it computes in float32 by itself, and leaves out the
 * rounding of what was just cast. On CPUs that is so; for bfloat16 it refuses the graph there.
 */
export const probeProducts = oncePerDevice(async (environment, device): Promise<NarrowProducts> => {
  const working = new Map<NarrowFloat, ProductForm>();
  for (const dtype of narrowFloats) {
    for (const form of candidates) {
      if (working.has(dtype)) continue;
      const isRight = async (): Promise<boolean> => isRounded(await trial(environment, device, dtype, form), dtype);
      if (await isRightHere(isRight)) working.set(dtype, form);
    }
  }
  return working;
});

const inner = 66;

/** The largest integers up to which all are exact in the type, and those that the trial's sums are when they are added in float32 and rounded once. */
const exactUpTo: Readonly<Record<NarrowFloat, number>> = { float16: 2048, bfloat16: 256 };

/**
 * One row x [1, 66] by wᵀ [66, 3], all powers of two and small integers but for one number that is 1 when it is rounded. Columns: a large number and 65
 * ones, which a sum in 16 bits would lose; the rounded number alone; and the small ones doubled.
 */
async function trial(environment: Environment, device: Device, dtype: NarrowFloat, form: ProductForm): Promise<ArrayLike<number>> {
  const b = new GraphBuilder();
  const [x, w] = [b.input('x', 'float32', [1, inner]), b.input('w', 'float32', [3, inner])];
  const product = b.matmul(b.cast(x, dtype), b.cast(w, dtype), { transposeB: true, scale: 2 });
  const graph = b.graph({ y: b.cast(product, 'float32') });
  const narrowProducts = new Map([[dtype, form]]);
  const model = lowerGraph(graph, { name: `probe ${dtype}`, frozen: new Map(), portable: false, narrowProducts });
  const row = Float32Array.from({ length: inner }, (_, index) => (index === 0 ? exactUpTo[dtype] : index === inner - 1 ? 1 + 2 ** -12 : 1));
  const columns = [
    () => 1,
    (index: number) => (index === inner - 1 ? 1 : 0),
    (index: number) => (index === 0 || index === inner - 1 ? 0 : 2),
  ];
  const weights = columns.flatMap((make) => Array.from({ length: inner }, (_, index) => make(index)));
  const inputs: HostTensor[] = [float32([1, inner], row), float32([3, inner], weights)];
  const [result] = await runOnce(environment, device, model, inputs, [1, 3], 1);
  return result ?? [];
}

/** Whether the trial's sums are those of rounded operands, added in float32, and rounded. */
export function isRounded(sums: ArrayLike<number>, dtype: NarrowFloat): boolean {
  // 65 more than the largest exact integer is half way between two numbers, and goes to the even one below.
  const expected = [2 * (exactUpTo[dtype] + 64), 2, 256];
  return expected.every((sum, column) => sums[column] === sum);
}
