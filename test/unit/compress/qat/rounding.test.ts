// Fake quantization in graphs: the codes that `quantize` makes, nothing more to round the second time, and gradients that pass or do not.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients } from '#graph';
import { runCooperatively } from '#linalg';
import { float32, floatToHalf, type HostTensor, halfToFloat, toNumbers, transposeMatrix } from '#tensor';
import { type GroupLayout, groupCount, rowsOfGroups } from '../../../../src/compress/qat/groups.ts';
import { codeNumbers } from '../../../../src/compress/qat/plan.ts';
import { codeSlot, type WeightCodes } from '../../../../src/compress/qat/rounding.ts';
import { decodeCodes } from '../../../../src/compress/quantize/grid.ts';
import { schemeCodes } from '../../../../src/compress/quantize/scheme-codes.ts';
import { roundToNearest } from '../../../../src/compress/quantize/slot-codes.ts';

const onnx = await createOnnxEngine({ threads: 1 });
const reference = createReferenceEngine();
afterAll(async () => {
  await onnx.dispose();
  await reference.dispose();
});
const signal = new AbortController().signal;

const [N, K] = [5, 44];

/** A matrix of rows [N, K], as a linear weight [K, N] or as a table [N, K]. */
function layoutOf(isTransposed: boolean, size = 16): GroupLayout {
  return { layout: { rows: N, columns: K, isTransposed }, shape: isTransposed ? [K, N] : [N, K], size };
}

/** Half-precision weights, one group of zeros and one of numbers below the normal ones among them. */
function weights(): Float32Array {
  const random = new Random(3);
  const rows = Float32Array.from({ length: N * K }, () => 0.05 * random.normal());
  rows.fill(0, K, K + 16);
  for (let index = 2 * K; index < 2 * K + 16; index++) rows[index] = (rows[index] ?? 0) * 1e-4;
  return halfToFloat(floatToHalf(rows));
}

interface Rounded {
  readonly codes: Float32Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Float32Array | undefined;
  /** Rows [N, K]. */
  readonly values: Float32Array;
  readonly gradient: Float32Array;
}

const slotTensor = (rows: Float32Array, { layout }: GroupLayout): HostTensor<'float32'> =>
  layout.isTransposed ? transposeMatrix(float32([N, K], rows)) : float32([N, K], rows);

/** Rounds rows [N, K]; the gradient is that of Σ values·upstream. */
async function rounded(
  engine: Engine,
  rows: Float32Array,
  groups: GroupLayout,
  kind: WeightCodes,
  upstream: Float32Array,
): Promise<Rounded> {
  const b = new GraphBuilder();
  const slot = b.input('slot', 'float32', groups.shape);
  const made = codeSlot(b, slot, groups, kind);
  const loss = b.reduceSum(b.mul(made.values, b.constant(slotTensor(upstream, groups))), [0, 1]);
  const [gradient] = gradients(b, loss, [slot]);
  const { codes, scales, zeroPoints, values } = made;
  const program = await engine.compile(
    b.graph({ codes, scales, values, gradient: gradient!, ...(zeroPoints === undefined ? {} : { zeroPoints }) }),
  );
  const results = await program.run({ slot: slotTensor(rows, groups) });
  const { isTransposed } = groups.layout;
  const grouped = (name: string): Float32Array => {
    const buffer = results[name]!;
    return rowsOfGroups(toNumbers(buffer.read()), buffer.shape, isTransposed);
  };
  const inRows = (name: string): Float32Array => {
    const tensor = results[name]!.read() as HostTensor<'float32'>;
    return (isTransposed ? transposeMatrix(tensor) : tensor).data;
  };
  const read = {
    codes: grouped('codes'),
    scales: grouped('scales'),
    zeroPoints: zeroPoints === undefined ? undefined : grouped('zeroPoints'),
    values: inRows('values'),
    gradient: inRows('gradient'),
  };
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return read;
}

const kinds: readonly WeightCodes[] = [
  ...[8, 4, 3, 2].flatMap((bits) => [true, false].map((symmetric): WeightCodes => ({ kind: 'range', bits, symmetric }))),
  { kind: 'ternary', threshold: 'twn', clip: 2.5 },
  { kind: 'ternary', threshold: 'absmean', clip: 2.5 },
  { kind: 'binary', clip: 2.5 },
];

async function hostCodes(rows: Float32Array, groups: GroupLayout, kind: WeightCodes) {
  const { scheme, bits, symmetric } = codeNumbers(kind);
  const shape = { rows: N, columns: K, bits, groupSize: groups.size, symmetric };
  if (scheme === 'integer') return await runCooperatively(roundToNearest(rows, shape), signal);
  const threshold = kind.kind === 'ternary' ? kind.threshold : 'twn';
  return await runCooperatively(schemeCodes(rows, shape, scheme, threshold), signal);
}

const ones = new Float32Array(N * K).fill(1);

describe.each([
  ['onnx', onnx],
  ['reference', reference],
])('rounding on the %s engine', (_, engine) => {
  it.each(kinds)('makes the codes, scales and numbers of quantize: %j', async (kind) => {
    const rows = weights();
    for (const isTransposed of [true, false])
      for (const size of [16, 64]) {
        const groups = layoutOf(isTransposed, size);
        const { codes, scales, zeroPoints, values } = await rounded(engine, rows, groups, kind, ones);
        const host = await hostCodes(rows, groups, kind);
        const width = groupCount(groups) * size;
        const inside = (list: ArrayLike<number>): number[] => Array.from(list).filter((__, index) => index % width < K);
        expect(Array.from(scales)).toEqual(Array.from(host.grid.scales));
        expect(inside(codes)).toEqual(inside(host.codes));
        if (zeroPoints !== undefined) expect(Array.from(zeroPoints)).toEqual(Array.from(host.grid.zeroPoints));
        expect(Array.from(values, (value) => value + 0)).toEqual(Array.from(decodeCodes(host.codes, host.grid), (value) => value + 0));
      }
  });
});

describe('fake quantization', () => {
  it.each(kinds)('leaves what is rounded once as it is: %j', async (kind) => {
    const groups = layoutOf(true);
    const once = await rounded(onnx, weights(), groups, kind, ones);
    const twice = await rounded(onnx, once.values, groups, kind, ones);
    // The mean of a ternary group with zeros in it is less than its one magnitude: absmean moves on, and the thresholds of TWN do not.
    if (kind.kind === 'ternary' && kind.threshold === 'absmean') expect(twice.codes).toEqual(once.codes);
    else expect(twice.values).toEqual(once.values);
  });

  it.each(kinds)('passes gradients straight through inside the clip range, and none outside: %j', async (kind) => {
    const rows = weights();
    const outside = [3, 50, 101];
    for (const index of outside) rows[index] = index % 2 === 0 ? -2.75 : 2.75;
    const random = new Random(5);
    const upstream = Float32Array.from({ length: N * K }, () => random.normal());
    const { gradient } = await rounded(onnx, rows, layoutOf(true), kind, upstream);
    const hasClip = 'clip' in kind;
    expect(gradient).toEqual(upstream.map((value, index) => (hasClip && outside.includes(index) ? 0 : value)));
  });

  it('is off by half a step at most, and keeps zero', async () => {
    const groups = layoutOf(false);
    const rows = weights();
    for (const kind of kinds.filter((each) => each.kind === 'range')) {
      const { values, scales } = await rounded(onnx, rows, groups, kind, ones);
      values.forEach((value, index) => {
        const scale = scales[Math.floor(index / K) * groupCount(groups) + Math.floor((index % K) / 16)]!;
        // Scales with zero points are rounded down: the ends lie off by that rounding at most.
        expect(Math.abs(value - rows[index]!)).toBeLessThanOrEqual(scale * 0.5 * (1 + 1e-6) + Math.abs(rows[index]!) * 2 ** -9);
        if (rows[index] === 0) expect(value + 0).toBe(0);
      });
    }
  });
});
