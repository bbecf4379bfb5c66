// Least squares behind removed units, against the definition on small random problems.
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { cholesky, multiply, runAtOnce } from '#linalg';
import { EngineMatrices } from '../../../src/compress/decomposition/engine-matrices.ts';
import { chooseUnits } from '../../../src/compress/prune/structured/choose.ts';
import { refitRows, removalLosses } from '../../../src/compress/prune/structured/refit.ts';
import { gaussian, transposeFlat } from './matrices.ts';

const engine = createReferenceEngine();
const matrices = new EngineMatrices(engine, quietContext.signal);
afterAll(async () => {
  await matrices.release();
  await engine.dispose();
});

const [width, columns, tokens] = [12, 5, 40];
const mixing = gaussian(width, width, 5).map((value, index) => value * 3 ** (-(index % width) / 6));
const rows = multiply(gaussian(tokens, width, 6), mixing, tokens, width, width);
const gram = multiply(transposeFlat(rows, tokens, width), rows, width, tokens, width);
const weight = gaussian(width, columns, 8);
/** The moments with the damping of the method: what it is exact in. */
const mean = Array.from({ length: width }, (_, index) => gram[index * (width + 1)]!).reduce((sum, value) => sum + value, 0) / width;
const damped = (share: number): Float64Array => gram.map((value, index) => (index % (width + 1) === 0 ? value + share * mean : value));

function energyIn(moments: Float64Array, matrix: Float64Array): number {
  const product = multiply(moments, matrix, width, width, columns);
  return matrix.reduce((sum, value, index) => sum + value * product[index]!, 0);
}

function spread(kept: readonly number[], made: Float64Array): Float64Array {
  const full = new Float64Array(width * columns);
  for (const [index, row] of kept.entries()) full.set(made.subarray(index * columns, (index + 1) * columns), row * columns);
  return full;
}

async function lossOf(kept: readonly number[]): Promise<number> {
  const made = spread(kept, await refitRows(matrices, { gram, width, weight }, kept));
  const damping = await dampingOf(kept);
  return energyIn(
    damping,
    weight.map((value, index) => value - made[index]!),
  );
}

/** The damping is a share of the mean over the inputs that stay, so the loss is measured in that. */
async function dampingOf(kept: readonly number[]): Promise<Float64Array> {
  const ofKept = kept.reduce((sum, index) => sum + gram[index * (width + 1)]!, 0) / kept.length;
  return damped((0.01 * ofKept) / mean);
}

describe('refitRows', () => {
  it('is where no row can be moved to lower the damped loss', async () => {
    const kept = [0, 2, 3, 7, 8, 11];
    const moments = await dampingOf(kept);
    const made = await refitRows(matrices, { gram, width, weight }, kept);
    const best = await lossOf(kept);
    for (const [index, step] of [0, 7, 19, 28].flatMap((each) => [[each, 1e-3] as const, [each, -1e-3] as const])) {
      const moved = made.map((value, at) => (at === index ? value + step : value));
      const full = spread(kept, moved);
      expect(
        energyIn(
          moments,
          weight.map((value, at) => value - full[at]!),
        ),
      ).toBeGreaterThan(best);
    }
  });

  it('gives the old rows where all stay, and where inputs tell nothing', async () => {
    const all = Array.from({ length: width }, (_, index) => index);
    expect(await refitRows(matrices, { gram, width, weight }, all)).toEqual(weight);
    const silent = new Float64Array(width * width);
    expect(await refitRows(matrices, { gram: silent, width, weight }, [1, 2])).toEqual(weight.slice(columns, 3 * columns));
  });
});

describe('removalLosses', () => {
  it.each([1, 3])('is the loss of the refit after each removal, of units of %i', async (unitWidth) => {
    const energy = energyIn(gram, weight);
    const numUnits = width / unitWidth;
    const losses = await removalLosses(matrices, { gram, width, weight, energy }, unitWidth, numUnits - 1);
    const order = Array.from(losses.keys()).sort((first, second) => losses[first]! - losses[second]!);
    for (let count = 1; count < numUnits; count++) {
      const gone = new Set(
        order.slice(0, count).flatMap((unit) => Array.from({ length: unitWidth }, (_, index) => unit * unitWidth + index)),
      );
      const loss = exactLoss(damped(0.01), gone) / energy;
      expect(losses[order[count - 1]!]! / loss).toBeCloseTo(1, 8);
      // The cheapest of those that were left.
      for (const other of order.slice(count)) {
        const instead = new Set(
          [...order.slice(0, count - 1), other].flatMap((unit) =>
            Array.from({ length: unitWidth }, (_, index) => unit * unitWidth + index),
          ),
        );
        expect(exactLoss(damped(0.01), instead) / energy).toBeGreaterThan(loss * (1 - 1e-9));
      }
    }
  });

  /** min over matrices with zero rows where inputs are gone: the Schur complement of what stays. */
  function exactLoss(moments: Float64Array, gone: ReadonlySet<number>): number {
    const order = [...Array.from({ length: width }, (_, index) => index).filter((index) => !gone.has(index)), ...gone];
    const permuted = Float64Array.from(
      { length: width * width },
      (_, index) => moments[order[Math.floor(index / width)]! * width + order[index % width]!]!,
    );
    const lower = runAtOnce(cholesky(permuted, width))!;
    // The trailing block of the factor is a root of the Schur complement.
    let loss = 0;
    const start = width - gone.size;
    for (let column = start; column < width; column++)
      for (let output = 0; output < columns; output++) {
        let sum = 0;
        for (let row = column; row < width; row++) sum += lower[row * width + column]! * weight[order[row]! * columns + output]!;
        loss += sum ** 2;
      }
    return loss;
  }
});

describe('chooseUnits', () => {
  const axes = [
    { name: 'a', scores: Float64Array.of(1, 5, 2, 4) },
    { name: 'b', scores: Float64Array.of(0.1, 0.2, 3, 0.3) },
  ];
  it('keeps the best of each axis, in their order, or the best of all', () => {
    expect(Object.fromEntries(chooseUnits(axes, { ratio: 0.5, spread: 'uniform', multipleOf: 1 }))).toEqual({ a: [1, 3], b: [2, 3] });
    expect(Object.fromEntries(chooseUnits(axes, { ratio: 0.5, spread: 'global', multipleOf: 1 }))).toEqual({ a: [1, 2, 3], b: [2] });
    expect(Object.fromEntries(chooseUnits(axes, { ratio: 0.01, spread: 'global', multipleOf: 1 }))).toEqual({ a: [1], b: [2] });
  });
});
