// How long the products of a training step of the 14M GPT-2 take in floats and rounded to 8 bits, each alone: `npx tsx test/bench/rounded-products.ts`.
//
// Milliseconds of processor time with one thread, which other programs on the machine hardly change: first quartiles, all forms in turn. The rounding of
// the operands, weights included, is part of the time.
import { Random } from '#base';
import type { DeviceBuffer, Program } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder, type RoundedMatmulAttrs, type Value } from '#graph';
import { float32 } from '#tensor';

const engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
const random = new Random(1);
const rounds = 15;

/** Rows, inner size and columns; `back`: the weight is read transposed; `sum`: the gradient of a weight, with one scale for each operand. */
const products = [
  { name: 'queries, keys and values', sizes: [2048, 384, 1152], kind: 'forward' },
  { name: 'feed-forward, up', sizes: [2048, 384, 1536], kind: 'forward' },
  { name: 'feed-forward, down', sizes: [2048, 1536, 384], kind: 'forward' },
  { name: 'back through up', sizes: [2048, 1536, 384], kind: 'back' },
  { name: 'back through down', sizes: [2048, 384, 1536], kind: 'back' },
  { name: 'head', sizes: [1024, 384, 8192], kind: 'back' },
  { name: 'gradient of queries, keys and values', sizes: [384, 2048, 1152], kind: 'sum' },
  { name: 'gradient of up', sizes: [384, 2048, 1536], kind: 'sum' },
  { name: 'gradient of down', sizes: [1536, 2048, 384], kind: 'sum' },
] as const;
type Kind = (typeof products)[number]['kind'];
const forms: readonly (RoundedMatmulAttrs['scales'] | undefined)[] = [undefined, 'row', 'tensor'];

interface Form {
  readonly program: Program;
  readonly inputs: Readonly<Record<string, DeviceBuffer>>;
  readonly outputs: Readonly<Record<string, DeviceBuffer>>;
  readonly samples: number[];
}

const upload = (shape: readonly number[]): DeviceBuffer =>
  engine.upload(
    float32(
      shape,
      Float32Array.from({ length: shape.reduce((size, dim) => size * dim, 1) }, () => 0.1 * random.normal()),
    ),
  );

process.stdout.write('| product | float32 | a scale a row | one scale |\n| --- | --- | --- | --- |\n');
for (const { name, sizes, kind } of products) {
  const [M, K, N] = sizes;
  const shapes = { x: kind === 'sum' ? [K, M] : [M, K], w: kind === 'back' ? [N, K] : [K, N] };
  const inputs = { x: upload(shapes.x), w: upload(shapes.w) };
  const made: Form[] = [];
  for (const scales of forms) {
    if (kind === 'sum' && scales === 'row') continue;
    const b = new GraphBuilder();
    const y = productOf(b, b.input('x', 'float32', shapes.x), b.input('w', 'float32', shapes.w), kind, scales);
    const program = await engine.compile(b.graph({ y }));
    made.push({ program, inputs, outputs: { y: engine.allocate({ dtype: 'float32', shape: [M, N] }) }, samples: [] });
  }
  for (let round = -3; round < rounds; round++)
    for (const { program, inputs: given, outputs, samples } of made) {
      const start = process.cpuUsage();
      await program.run(given, { outputs });
      const { user, system } = process.cpuUsage(start);
      if (round >= 0) samples.push((user + system) / 1000);
    }
  const quartile = (samples: readonly number[]): string =>
    (samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 4)] ?? 0).toFixed(1);
  const [floats = '', ...rounded] = made.map(({ samples }) => quartile(samples));
  process.stdout.write(`| ${name}, ${sizes.join('x')} | ${[floats, ...(kind === 'sum' ? [''] : []), ...rounded].join(' | ')} |\n`);
  for (const { program, outputs } of made) {
    await program.release();
    outputs['y']?.release();
  }
  for (const buffer of Object.values(inputs)) buffer.release();
}
await engine.dispose();

function productOf(b: GraphBuilder, x: Value, w: Value, kind: Kind, scales: RoundedMatmulAttrs['scales'] | undefined): Value {
  if (kind === 'sum') return scales === undefined ? b.matmul(x, w, { transposeA: true }) : b.roundedGradient(x, w, { scale: 1 });
  const attrs = { transposeB: kind === 'back', scale: 1 };
  return scales === undefined ? b.matmul(x, w, attrs) : b.roundedMatmul(x, w, { ...attrs, scales });
}
