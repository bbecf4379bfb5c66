// GPTQ: the published recursion, its special cases, and that it never loses more than rounding.
import { afterAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '#engine/reference';
import { cholesky, invertLower, multiply, runAtOnce } from '#linalg';
import { EngineMatrices } from '../../../src/compress/decomposition/engine-matrices.ts';
import { dropDeadInputs, factorInputs } from '../../../src/compress/decomposition/input-factor.ts';
import { LayerInputs } from '../../../src/compress/decomposition/layer-inputs.ts';
import { codeByAwq } from '../../../src/compress/quantize/awq.ts';
import { gptqCodes } from '../../../src/compress/quantize/gptq.ts';
import { decodeCodes, type Grid, makeGrid, nearestCode, nearestCodes } from '../../../src/compress/quantize/grid.ts';
import { codeByGptq, decoded, roundToNearest } from '../../../src/compress/quantize/slot-codes.ts';
import { frobenius, gaussian, transposeFlat } from './matrices.ts';

const { signal } = new AbortController();
const matrices = new EngineMatrices(createReferenceEngine(), signal);
afterAll(() => matrices.release());

/** Inputs in which neighbours go together and channels differ in size. */
function correlated(tokens: number, width: number, seed: number): Float64Array {
  const mixing = gaussian(width, width, seed).map((value, index) => {
    const [row, column] = [Math.floor(index / width), index % width];
    return (row === column ? 3 : value) * 2 ** (-(column % 7) / 2);
  });
  return multiply(gaussian(tokens, width, seed + 1), mixing, tokens, width, width);
}

function momentsOf(rows: Float64Array, width: number): Float64Array {
  const tokens = rows.length / width;
  return multiply(transposeFlat(rows, tokens, width), rows, width, tokens, width);
}

function outputError(inputs: Float64Array, weight: Float64Array, kept: ArrayLike<number>, K: number, N: number): number {
  const difference = weight.map((value, index) => value - kept[index]!);
  const tokens = inputs.length / K;
  return frobenius(multiply(inputs, difference, tokens, K, N)) / frobenius(multiply(inputs, weight, tokens, K, N));
}

/** The recursion as it is published: columns by the upper Cholesky factor of the inverse. weight [K, N] */
function publishedGptq(weight: Float64Array, gram: Float64Array, grid: Grid): Float64Array {
  const [K, N] = [grid.columns, grid.rows];
  const order = Array.from({ length: K }, (_, index) => index).sort((a, b) => gram[b * K + b]! - gram[a * K + a]!);
  const mean = order.reduce((sum, input) => sum + gram[input * K + input]!, 0) / K;
  const ordered = Float64Array.from({ length: K * K }, (_, index) => {
    const [row, column] = [Math.floor(index / K), index % K];
    return gram[order[row]! * K + order[column]!]! + (row === column ? 0.01 * mean : 0);
  });
  const lower = runAtOnce(invertLower(runAtOnce(cholesky(ordered, K))!, K));
  const inverse = multiply(transposeFlat(lower, K, K), lower, K, K, K);
  const upper = transposeFlat(runAtOnce(cholesky(inverse, K))!, K, K);
  const left = weight.slice();
  const result = new Float64Array(K * N);
  for (let place = 0; place < K; place++) {
    const input = order[place]!;
    const group = Math.floor(input / grid.groupSize);
    for (let output = 0; output < N; output++) {
      const [scale, zero] = [grid.scales[output * grid.groups + group]!, grid.zeroPoints[output * grid.groups + group]!];
      const number = (nearestCode(left[input * N + output]!, scale, zero, 2 ** grid.bits - 1) - zero) * scale;
      result[input * N + output] = number;
      const error = (left[input * N + output]! - number) / upper[place * K + place]!;
      for (let later = place + 1; later < K; later++) left[order[later]! * N + output]! -= error * upper[place * K + later]!;
    }
  }
  return result;
}

const byInput = (numbers: ArrayLike<number>, rows: number, columns: number): Float64Array =>
  transposeFlat(Float64Array.from(numbers), rows, columns);

describe('gptqCodes', () => {
  it('makes the choices of the published recursion', async () => {
    const [K, N] = [40, 12];
    const weight = gaussian(K, N, 1);
    const gram = momentsOf(correlated(200, K, 2), K);
    const grid = makeGrid(transposeFlat(weight, K, N), { rows: N, columns: K, bits: 3, groupSize: 16, symmetric: false });
    const codes = await gptqCodes(matrices, weight, await factorInputs(matrices, gram, K), grid);
    const kept = byInput(decodeCodes(codes, grid), N, K);
    const published = publishedGptq(weight, gram, grid);
    expect(kept.filter((value, index) => Math.abs(value - published[index]!) > 1e-6).length).toBe(0);
  });

  it('is the same in blocks as at once', async () => {
    // 150 inputs: two blocks, the second of which gets the first one's errors through the engine.
    const [K, N] = [150, 3];
    const weight = gaussian(K, N, 3);
    const gram = momentsOf(correlated(300, K, 4), K);
    const grid = makeGrid(transposeFlat(weight, K, N), { rows: N, columns: K, bits: 4, groupSize: 32, symmetric: false });
    const codes = await gptqCodes(matrices, weight, await factorInputs(matrices, gram, K), grid);
    const published = publishedGptq(weight, gram, grid);
    const kept = byInput(decodeCodes(codes, grid), N, K);
    expect(kept.filter((value, index) => Math.abs(value - published[index]!) > 1e-6).length).toBe(0);
  });

  it('rounds to nearest where inputs do not go together', async () => {
    const [K, N] = [32, 8];
    const weight = gaussian(K, N, 5);
    const gram = new Float64Array(K * K);
    for (let input = 0; input < K; input++) gram[input * K + input] = 1 + (input % 5);
    const grid = makeGrid(transposeFlat(weight, K, N), { rows: N, columns: K, bits: 4, groupSize: 16, symmetric: true });
    const codes = await gptqCodes(matrices, weight, await factorInputs(matrices, gram, K), grid);
    expect([...codes]).toEqual([...nearestCodes(transposeFlat(weight, K, N), grid)]);
  });

  it('drops the weights of inputs that are always zero', async () => {
    const [K, N] = [24, 4];
    const inputs = correlated(100, K, 6).map((value, index) => (index % K === 7 ? 0 : value));
    const factor = await factorInputs(matrices, momentsOf(inputs, K), K);
    const weight = gaussian(K, N, 7);
    dropDeadInputs(weight, factor);
    expect([...weight.subarray(7 * N, 8 * N)]).toEqual([0, 0, 0, 0]);
    expect(factor.order[0]).toBe(7);
    const grid = makeGrid(transposeFlat(weight, K, N), { rows: N, columns: K, bits: 4, groupSize: 16, symmetric: false });
    const kept = byInput(decodeCodes(await gptqCodes(matrices, weight, factor, grid), grid), N, K);
    expect([...kept.subarray(7 * N, 8 * N)]).toEqual([0, 0, 0, 0]);
  });

  it('takes fewer tokens than inputs', async () => {
    const factor = await factorInputs(matrices, momentsOf(correlated(5, 24, 8), 24), 24);
    expect(factor.lower.every(Number.isFinite)).toBe(true);
  });

  it('stops when it is told to', async () => {
    const stopped = new EngineMatrices(createReferenceEngine(), AbortSignal.abort());
    await expect(factorInputs(stopped, momentsOf(correlated(50, 24, 8), 24), 24)).rejects.toThrow(/cancelled/);
  });
});

describe('methods that look at inputs', () => {
  const [K, N, tokens] = [64, 24, 400];
  const inputs = correlated(tokens, K, 9);
  const weight = gaussian(K, N, 10).map(Math.fround);
  const rows = Float32Array.from(transposeFlat(weight, K, N));

  it.each([
    [8, 0.5],
    [4, 0.6],
    [3, 0.6],
    [2, 0.9],
  ])('lose less than rounding at %i bits, GPTQ by a factor below %d', async (bits, factor) => {
    const shape = { rows: N, columns: K, bits, groupSize: 32, symmetric: bits === 8 };
    const layer = new LayerInputs(matrices, momentsOf(inputs, K), K);
    const errorOf = (numbers: Float32Array): number => outputError(inputs, weight, byInput(numbers, N, K), K, N);
    const nearest = errorOf(decoded(runAtOnce(roundToNearest(rows, shape))));
    const gptq = errorOf(decoded(await codeByGptq(matrices, rows, shape, layer)));
    const awq = errorOf(decoded(await codeByAwq(matrices, rows, shape, layer, true)));
    expect(gptq).toBeLessThan(factor * nearest);
    expect(awq).toBeLessThanOrEqual(nearest);
    layer.release();
  });

  it.each([4, 3, 2])('cut ranges shorter by AWQ where that loses less, with scales and without: %i bits', async (bits) => {
    const shape = { rows: N, columns: K, bits, groupSize: 32, symmetric: false };
    const layer = new LayerInputs(matrices, momentsOf(inputs, K), K);
    const errorOf = (numbers: Float32Array): number => outputError(inputs, weight, byInput(numbers, N, K), K, N);
    const nearest = runAtOnce(roundToNearest(rows, shape));
    const cut = await codeByAwq(matrices, rows, shape, layer, false);
    expect(cut.inputScales).toBeUndefined();
    expect(errorOf(decoded(cut)) / errorOf(decoded(nearest))).toBeLessThan(0.97);
    const shorter = cut.grid.scales.filter((scale, index) => scale < 0.99 * nearest.grid.scales[index]!).length;
    expect(shorter).toBeGreaterThan(cut.grid.scales.length / 4);
    layer.release();
  });

  it('give AWQ larger scales for larger inputs', async () => {
    const outliers = inputs.map((value, index) => (index % K < 2 ? 30 * value : value));
    const layer = new LayerInputs(matrices, momentsOf(outliers, K), K);
    const shape = { rows: N, columns: K, bits: 3, groupSize: 32, symmetric: false };
    const { inputScales } = await codeByAwq(matrices, rows, shape, layer, true);
    const others = Math.max(...inputScales!.subarray(2));
    expect(inputScales![0]).toBeGreaterThan(others);
    expect(inputScales![1]).toBeGreaterThan(others);
    layer.release();
  });
});
