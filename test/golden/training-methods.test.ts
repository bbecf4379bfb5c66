// Quantization-aware training and learned pruning against PyTorch autograd: values and gradients.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder, gradients, type Value } from '#graph';
import { runAtOnce } from '#linalg';
import { float32, type HostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { maskedByScores, scoreLimit } from '../../src/compress/prune/learned/scheme.ts';
import { dropSmallest } from '../../src/compress/prune/smallest.ts';
import { dynamicInput, learnedInput, tokenInput } from '../../src/compress/qat/activations.ts';
import type { GroupLayout } from '../../src/compress/qat/groups.ts';
import { codeSlot, type WeightCodes } from '../../src/compress/qat/rounding.ts';
import { blend, straightThrough } from '../../src/compress/straight-through.ts';

interface Rounded {
  readonly w: readonly number[];
  readonly up: readonly number[];
  readonly y: readonly number[];
  readonly dW: readonly number[];
}
interface Masked extends Rounded {
  readonly scores: readonly number[];
  readonly mask: readonly number[];
  readonly dScores: readonly number[];
}
interface Golden {
  readonly lsqWeights: readonly (Rounded & {
    readonly bits: number;
    readonly step: readonly number[];
    readonly dStep: readonly number[];
  })[];
  readonly lsqInputs: readonly {
    readonly zero: number;
    readonly x: readonly number[];
    readonly step: readonly number[];
    readonly up: readonly number[];
    readonly y: readonly number[];
    readonly dX: readonly number[];
    readonly dStep: readonly number[];
  }[];
  readonly ternary: Rounded & { readonly clip: number };
  readonly binary: Rounded & { readonly clip: number };
  readonly movement: Masked;
  readonly softMovement: Masked;
  readonly bitnet: readonly (Rounded & { readonly share: number; readonly x: readonly number[]; readonly dX: readonly number[] })[];
}

const golden = JSON.parse(readFileSync(new URL('data/training-methods.json', import.meta.url), 'utf8')) as Golden;
const tolerance = { absolute: 2e-6, relative: 2e-6 };

const engine = await createOnnxEngine({ threads: 1 });
afterAll(() => engine.dispose());

/** y = f(inputs), and the gradients of Σ y·up for each input. */
async function run(
  inputs: Readonly<Record<string, HostTensor<'float32'>>>,
  up: HostTensor<'float32'>,
  f: (b: GraphBuilder, values: Readonly<Record<string, Value>>) => Value,
): Promise<Record<string, ArrayLike<number>>> {
  const b = new GraphBuilder();
  const values = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, b.input(name, 'float32', shape)]));
  const y = f(b, values);
  const axes = up.shape.map((_, axis) => axis);
  const made = gradients(b, b.reduceSum(b.mul(y, b.constant(up)), axes), Object.values(values));
  const outputs = Object.fromEntries(Object.keys(inputs).map((name, index) => [`d ${name}`, made[index]!]));
  const program = await engine.compile(b.graph({ y, ...outputs }));
  const results = await program.run(inputs);
  const read = Object.fromEntries(Object.entries(results).map(([name, buffer]) => [name, toNumbers(buffer.read())]));
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return read;
}

const rows: GroupLayout = { layout: { rows: 3, columns: 16, isTransposed: false }, shape: [3, 16], size: 16 };

describe('quantization-aware training', () => {
  it.each(golden.lsqWeights)('has the values and gradients of learned steps in $bits bits', async ({ bits, w, step, up, y, dW, dStep }) => {
    const inputs = { w: float32([3, 16], w), step: float32([3, 1, 1], step) };
    const made = await run(
      inputs,
      float32([3, 16], up),
      (b, values) => codeSlot(b, values['w']!, rows, { kind: 'learned', bits }, values['step']).values,
    );
    expectAllClose(made['y']!, y, { ...tolerance, what: 'y' });
    expectAllClose(made['d w']!, dW, { ...tolerance, what: 'dW' });
    expectAllClose(made['d step']!, dStep, { ...tolerance, what: 'dStep' });
  });

  it.each(golden.lsqInputs)(
    'has the values and gradients of learned steps of inputs, zero at $zero',
    async ({ zero, x, step, up, y, dX, dStep }) => {
      const inputs = { x: float32([4, 8], x), step: float32([1], step) };
      const made = await run(inputs, float32([4, 8], up), (b, values) => learnedInput(b, values['x']!, values['step']!, zero));
      expectAllClose(made['y']!, y, { ...tolerance, what: 'y' });
      expectAllClose(made['d x']!, dX, { ...tolerance, what: 'dX' });
      expectAllClose(made['d step']!, dStep, { ...tolerance, what: 'dStep' });
    },
  );

  it.each([
    ['ternary', golden.ternary, { kind: 'ternary', threshold: 'twn', clip: golden.ternary.clip }],
    ['binary', golden.binary, { kind: 'binary', clip: golden.binary.clip }],
  ] as const)('has the values and gradients of %s weights', async (_, { w, up, y, dW }, kind: WeightCodes) => {
    const made = await run({ w: float32([3, 16], w) }, float32([3, 16], up), (b, values) => codeSlot(b, values['w']!, rows, kind).values);
    expectAllClose(made['y']!, y, { ...tolerance, what: 'y' });
    expectAllClose(made['d w']!, dW, { ...tolerance, what: 'dW' });
  });

  it.each(golden.bitnet)('has the values and gradients of a BitNet layer with λ = $share', async ({ share, x, w, up, y, dX, dW }) => {
    const made = await run({ x: float32([4, 16], x), w: float32([3, 16], w) }, float32([4, 3], up), (b, values) => {
      const lambda = b.scalar(share, 'float32');
      const [xv, wv] = [values['x']!, values['w']!];
      const weight = codeSlot(b, wv, rows, { kind: 'ternary', threshold: 'absmean', clip: 2.5 }).values;
      return b.matmul(blend(b, xv, tokenInput(b, xv), lambda), blend(b, wv, weight, lambda), { transposeB: true });
    });
    expectAllClose(made['y']!, y, { ...tolerance, what: 'y' });
    expectAllClose(made['d x']!, dX, { ...tolerance, what: 'dX' });
    expectAllClose(made['d w']!, dW, { ...tolerance, what: 'dW' });
  });
});

describe('pruning by scores', () => {
  it.each([
    ['movement', golden.movement],
    ['soft movement', golden.softMovement],
  ])('has the values and gradients of %s', async (name, { w, scores, up, y, mask, dW, dScores }) => {
    const shape = [5, 4];
    const made = await run({ w: float32(shape, w), scores: float32(shape, scores) }, float32(shape, up), (b, values) => {
      const masked = maskedByScores(b, values['w']!, values['scores']!, b.constant(float32(shape, mask)));
      if (name === 'movement') return masked;
      // The penalty 3·mean sigmoid(S), so that its gradient arrives with that of Σ y·up.
      const term = b.mul(b.sigmoid(values['scores']!), 3 / 20);
      return straightThrough(b, masked, [{ variable: masked }, { variable: b.div(term, b.constant(float32(shape, up))) }]);
    });
    expectAllClose(made['y']!, y, { ...tolerance, what: 'y' });
    expectAllClose(made['d w']!, dW, { ...tolerance, what: 'dW' });
    expectAllClose(made['d scores']!, dScores, { absolute: 1e-5, relative: 1e-5, what: 'dScores' });
  });

  it('keeps the scores that movement keeps', () => {
    const { scores, mask } = golden.movement;
    const keeps = new Uint8Array(20).fill(1);
    runAtOnce(dropSmallest(Float32Array.from(scores), 12, keeps));
    expect(Array.from(keeps)).toEqual(mask);
    const soft = golden.softMovement;
    expect(soft.scores.map((score) => (score > scoreLimit(0.4) ? 1 : 0))).toEqual(soft.mask);
  });
});

describe('inputs rounded to the range of a batch', () => {
  it('are what products in integers make of them', async () => {
    const [x, w] = [float32([4, 16], golden.bitnet[0]!.x), golden.bitnet[0]!.w];
    const largest = w.map(Math.abs).reduce((most, value) => Math.max(most, value), 0);
    const codes = Int8Array.from(w, (value) => Math.round((127 * value) / largest));
    const up = float32([4, 3], golden.bitnet[0]!.up);
    const scale = float32([1], [largest / 127]);
    const integer = await run({ x }, up, (b, { x: xv }) =>
      b.matmulInt8(xv!, { codes: b.constant({ dtype: 'int8', shape: [3, 16], data: codes }), scales: b.constant(scale) }),
    );
    const weights = float32(
      [3, 16],
      Float32Array.from(codes, (code) => code * scale.data[0]!),
    );
    const made = await run({ x }, up, (b, { x: xv }) => b.matmul(dynamicInput(b, xv!), b.constant(weights), { transposeB: true }));
    expectAllClose(made['y']!, integer['y']!, { ...tolerance, what: 'y' });
    expectAllClose(made['d x']!, integer['d x']!, { ...tolerance, what: 'dX' });
  });
});
