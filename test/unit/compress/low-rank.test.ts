// The low-rank method: exact at full rank, monotone, reports what it did, and whitening is optimal for the outputs.
import { describe, expect, it } from 'vitest';
import { type OperationContext, type Progress, quietContext, Random } from '#base';
import {
  type Calibration,
  type CompressionEnvironment,
  type MethodResult,
  methods,
  type WindowCalibration,
  WindowCalibration as Windows,
} from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { multiply } from '#linalg';
import { type Model, materializeParameter, parameterSpecs, replaceParameters } from '#models';
import { castTensor, hostTensor } from '#tensor';
import { forwardCalibration } from '#test/calibration';
import type { FinishedLayer, LayerMemory } from '../../../src/compress/method.ts';
import { exactSigma, frobenius, gaussian, tailNorm, transposeFlat } from './matrices.ts';
import { llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
const model = tinyModel();

function lowRank(
  settings: object,
  which: Model = model,
  environment: Partial<CompressionEnvironment> = {},
  context = quietContext,
): Promise<MethodResult> {
  return methods['lowRank']!.step(settings, 'lowRank').apply(which, { engine, ...environment }, context);
}

/** Answers the same inputs X [tokens, width] for every layer of a width; gradients and losses are those of a few windows. */
function fixedInputs(inputs: (width: number) => { rows: Float64Array; tokens: number }): Calibration {
  const real = new Windows(engine, tinyWindows());
  return {
    ...forwardCalibration(real),
    async *inputMoments(which, paths) {
      for (const path of paths) {
        const [width = 0] = parameterSpecs(which).get(path)!.shape;
        const { rows, tokens } = inputs(width);
        yield { paths: [path], width, tokens, gram: multiply(transposeFlat(rows, tokens, width), rows, width, tokens, width) };
      }
    },
  };
}

const tokens = 200;
/** Correlated inputs of very different sizes, as layer norms with large gains make them. */
function correlatedRows(width: number): { rows: Float64Array; tokens: number } {
  const mixing = gaussian(width, width, 5).map((value, index) => value * 3 ** (-(index % width) / 6));
  return { rows: multiply(gaussian(tokens, width, 6), mixing, tokens, width, width), tokens };
}
const calibration = fixedInputs(correlatedRows);

function outputError(before: Model, after: Model, path: string, rows: Float64Array): number {
  const [m = 0, n = 0] = parameterSpecs(before).get(path)!.shape;
  const [w, approximation] = [materializeParameter(before, path).data, materializeParameter(after, path).data];
  const difference = Float64Array.from(w, (value, index) => value - approximation[index]!);
  const outputs = multiply(rows, difference, rows.length / m, m, n);
  return frobenius(outputs) / frobenius(multiply(rows, Float64Array.from(w), rows.length / m, m, n));
}

function weightError(before: Model, after: Model, path: string): number {
  const [w, approximation] = [materializeParameter(before, path).data, materializeParameter(after, path).data];
  return frobenius(w.map((value, index) => value - approximation[index]!)) / frobenius(w);
}

const wide = 'h.0.mlp.fc.weight';
const tall = 'h.0.mlp.proj.weight';
const square = 'h.0.attn.out.weight';

describe('lowRank, plain', () => {
  it('reproduces every matrix at full rank', async () => {
    const { model: after, report } = await lowRank({ rank: 16 });
    for (const { path, weightError: reported } of report.layers) {
      expect(weightError(model, after, path)).toBeLessThan(1e-6);
      expect(reported).toBeLessThan(1e-6);
    }
  });

  it('loses exactly the discarded singular values, less with every rank', async () => {
    let before = 1;
    for (const rank of [1, 2, 5, 9, 15]) {
      const { model: after, report } = await lowRank({ rank });
      for (const path of [wide, tall, square]) {
        const weight = materializeParameter(model, path);
        const expected = tailNorm(exactSigma(weight), rank) / frobenius(weight.data);
        expect(weightError(model, after, path)).toBeCloseTo(expected, 5);
        expect(report.layers.find((layer) => layer.path === path)!.weightError).toBeCloseTo(expected, 5);
      }
      const error = weightError(model, after, wide);
      expect(error).toBeLessThan(before);
      before = error;
    }
  });

  it('splits the scale evenly between the factors', async () => {
    const { model: after } = await lowRank({ rank: 3 });
    const { left, right } = after.parameters.get(wide)!.tensors;
    for (let k = 0; k < 3; k++) {
      const column = Array.from({ length: 16 }, (_, row) => Number(left!.data[row * 3 + k]));
      const row = Array.from({ length: 32 }, (_, index) => Number(right!.data[k * 32 + index]));
      expect(frobenius(column) / frobenius(row)).toBeCloseTo(1, 5);
    }
  });

  it('keeps the share of bytes, for 16-bit weights as for 32-bit ones, and the stored type', async () => {
    const halves = [...model.parameters.values()].map((parameter) => ({
      ...parameter,
      tensors: { value: castTensor(parameter.tensors['value']!, 'float16') },
    }));
    for (const which of [model, replaceParameters(model, halves)]) {
      const { model: after, report } = await lowRank({ ratio: 0.5 }, which);
      expect(after.parameters.get(wide)!.tensors['left']!.dtype).toBe(which.parameters.get(wide)!.tensors['value']!.dtype);
      expect(after.parameters.get(wide)!.settings['rank']).toBe(Math.floor((0.5 * 16 * 32) / 48));
      expect(report.bytesAfter / report.bytesBefore).toBeLessThanOrEqual(0.5);
      expect(report.bytesAfter / report.bytesBefore).toBeGreaterThan(0.4);
    }
  });

  it('keeps the asked energy in every matrix, and leaves one dense where factors would store more', async () => {
    const { model: after, report } = await lowRank({ energy: 0.6 });
    for (const { path, kindAfter } of report.layers)
      if (kindAfter === 'lowRank') expect(weightError(model, after, path) ** 2).toBeLessThanOrEqual(0.4 + 1e-6);
    const { model: same, report: kept } = await lowRank({ energy: 1, include: [square] });
    expect(same.parameters.get(square)).toBe(model.parameters.get(square));
    expect(kept.layers[0]).toMatchObject({
      kindAfter: 'dense',
      bytesAfter: 1024,
      weightError: 0,
      note: expect.stringContaining('rank 16'),
    });
  });

  it.each(['loss', 'sensitivity'])('shares out bytes by %s: within the budget, and little for a matrix of rank one', async (allocate) => {
    // One matrix of rank one beside others of full rank: uniform ranks waste bytes on it.
    const data = Float32Array.from({ length: 512 }, (_, index) => ((index % 32) + 1) * (Math.floor(index / 32) - 7.5));
    const uneven = replaceParameters(model, [
      { ...model.parameters.get(wide)!, tensors: { value: hostTensor('float32', [16, 32], data) } },
    ]);
    const allocated = await lowRank({ ratio: 0.6, allocate }, uneven, { calibration: new Windows(engine, tinyWindows()) });
    expect(allocated.model.parameters.get(wide)!.settings['rank']).toBeLessThanOrEqual(2);
    expect(allocated.report.bytesAfter).toBeLessThanOrEqual(0.6 * allocated.report.bytesBefore);
    // A random model may lose nothing by a cut, and then measuring it leaves bytes unused.
    if (allocate === 'loss') expect(allocated.report.bytesAfter).toBeGreaterThan(0.5 * allocated.report.bytesBefore);
  });

  it('takes embeddings by a pattern, and shrinks what it made before', async () => {
    const { model: once } = await lowRank({ rank: 9, include: ['embed.token.*', wide] });
    expect(once.parameters.get('embed.token.weight')).toMatchObject({ kind: 'lowRank', settings: { rank: 9 } });
    const { model: twice, report } = await lowRank({ ratio: 0.5, include: [wide] }, once);
    expect(twice.parameters.get(wide)!.settings).toEqual({ rank: 4 });
    expect(report.layers[0]).toMatchObject({ kindBefore: 'lowRank', bytesBefore: 9 * 48 * 4, bytesAfter: 4 * 48 * 4 });
  });

  it('leaves the model it was given alone, and shares what it did not touch', async () => {
    const { model: after } = await lowRank({ rank: 2, include: [wide] });
    expect(model.parameters.get(wide)!.kind).toBe('dense');
    expect(after.parameters.get(tall)).toBe(model.parameters.get(tall));
  });

  it('reports every layer with its place and errors, and stops between layers', async () => {
    const seen: Progress[] = [];
    const controller = new AbortController();
    const context: OperationContext = {
      signal: controller.signal,
      report: (progress) => {
        seen.push(progress);
        if (progress.step === 3) controller.abort();
      },
    };
    await expect(lowRank({ ratio: 0.5 }, model, {}, context)).rejects.toMatchObject({ code: 'cancelled' });
    expect(seen.map(({ step, total, item }) => [step, total, item])).toEqual([
      [1, 8, 'h.0.attn.qkv.weight'],
      [2, 8, square],
      [3, 8, wide],
    ]);
    expect(seen[0]!.metrics!['weightError']).toBeGreaterThan(0);
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });

  it('names the matrix and the limits of a rank that does not fit, before any work', async () => {
    for (const rank of [0, 17])
      await expect(lowRank({ rank })).rejects.toThrow(/\[rank_out_of_range\].*h\.0\.attn\.qkv\.weight \[16, 48\] is outside 1\.\.16/);
  });

  it('names the place of a weight that is not a number', async () => {
    const data = Float32Array.from({ length: 512 }, (_, index) => (index === 70 ? Number.NaN : 1));
    const broken = replaceParameters(model, [
      { ...model.parameters.get(wide)!, tensors: { value: hostTensor('float32', [16, 32], data) } },
    ]);
    await expect(lowRank({ ratio: 0.5 }, broken)).rejects.toThrow(/\[bad_weights\] h\.0\.mlp\.fc\.weight\[2, 6\] is NaN/);
  });
});

describe('lowRank, whitened', () => {
  it('reproduces every matrix at full rank', async () => {
    const { model: after } = await lowRank({ method: 'whitened', rank: 16 }, model, { calibration });
    for (const path of [wide, tall, square]) expect(weightError(model, after, path)).toBeLessThan(1e-5);
  });

  it('loses exactly the tail of the spectrum of X·W in its outputs, and reports that', async () => {
    for (const rank of [2, 6, 11]) {
      const { model: after, report } = await lowRank({ method: 'whitened', rank }, model, { calibration });
      for (const path of [wide, tall, square]) {
        const weight = materializeParameter(model, path);
        const [m = 0, n = 0] = weight.shape;
        const { rows } = correlatedRows(m);
        const outputs = {
          ...weight,
          shape: [tokens, n],
          data: Float32Array.from(multiply(rows, Float64Array.from(weight.data), tokens, m, n)),
        };
        const best = tailNorm(exactSigma(outputs), rank) / frobenius(outputs.data);
        const error = outputError(model, after, path, rows);
        expect(error / best).toBeCloseTo(1, 3);
        expect(report.layers.find((layer) => layer.path === path)!.outputError! / error).toBeCloseTo(1, 3);
      }
    }
  });

  it('has less output error and more weight error than plain', async () => {
    const [plain, whitened] = [await lowRank({ rank: 4 }), await lowRank({ method: 'whitened', rank: 4 }, model, { calibration })];
    for (const path of [wide, tall, square]) {
      const { rows } = correlatedRows(parameterSpecs(model).get(path)!.shape[0]!);
      expect(outputError(model, whitened.model, path, rows)).toBeLessThan(outputError(model, plain.model, path, rows));
      expect(weightError(model, whitened.model, path)).toBeGreaterThan(weightError(model, plain.model, path));
    }
  });

  it('is the plain SVD when the inputs are white', async () => {
    const white = fixedInputs((width) => {
      const rows = new Float64Array(width * width);
      for (let i = 0; i < width; i++) rows[i * width + i] = 3;
      return { rows, tokens: width };
    });
    const [plain, whitened] = [await lowRank({ rank: 5 }), await lowRank({ method: 'whitened', rank: 5 }, model, { calibration: white })];
    for (const path of [wide, tall, square]) {
      const [a, b] = [materializeParameter(plain.model, path).data, materializeParameter(whitened.model, path).data];
      expect(frobenius(a.map((value, index) => value - b[index]!)) / frobenius(a)).toBeLessThan(1e-5);
    }
  });

  it('keeps its output error when an input channel is rescaled, which plain does not', async () => {
    const scales = (m: number): Float64Array =>
      Float64Array.from({ length: m }, (_, index) => (index % 3 === 0 ? 8 : index % 3 === 1 ? 1 : 0.2));
    const rescaled = replaceParameters(
      model,
      [wide, tall, square].map((path) => {
        const parameter = model.parameters.get(path)!;
        const { shape, data } = materializeParameter(model, path);
        const [m = 0, n = 0] = shape;
        const divided = data.map((value, index) => value / scales(m)[Math.floor(index / n)]!);
        return { ...parameter, tensors: { value: hostTensor('float32', shape, divided) } };
      }),
    );
    const scaledRows = (width: number): { rows: Float64Array; tokens: number } => ({
      rows: correlatedRows(width).rows.map((value, index) => value * scales(width)[index % width]!),
      tokens,
    });
    const include = [wide, tall, square];
    const before = await lowRank({ method: 'whitened', rank: 5, include }, model, { calibration });
    const after = await lowRank({ method: 'whitened', rank: 5, include }, rescaled, { calibration: fixedInputs(scaledRows) });
    const plain = [await lowRank({ rank: 5, include }), await lowRank({ rank: 5, include }, rescaled)] as const;
    for (const path of include) {
      const width = parameterSpecs(model).get(path)!.shape[0]!;
      const [rows, moreRows] = [correlatedRows(width).rows, scaledRows(width).rows];
      expect(outputError(rescaled, after.model, path, moreRows) / outputError(model, before.model, path, rows)).toBeCloseTo(1, 3);
      const change = outputError(rescaled, plain[1].model, path, moreRows) / outputError(model, plain[0].model, path, rows);
      expect(Math.abs(change - 1)).toBeGreaterThan(0.01);
    }
  });

  it('copes with dead channels and fewer tokens than channels', async () => {
    const random = new Random(3);
    const thin = fixedInputs((width) => ({
      rows: Float64Array.from({ length: 6 * width }, (_, index) => (index % width < 3 ? 0 : random.normal())),
      tokens: 6,
    }));
    const { model: after, report } = await lowRank({ method: 'whitened', rank: 6 }, model, { calibration: thin });
    for (const { path, outputError: error } of report.layers) {
      expect(error).toBeLessThan(0.01); // six directions are all that six tokens take
      expect(materializeParameter(after, path).data.every(Number.isFinite)).toBe(true);
    }
  });

  it('works on the inputs of a real graph, shared ones included, with every rank rule', async () => {
    const llama = tinyModel(llamaConfig);
    const windows: WindowCalibration = new Windows(engine, tinyWindows());
    for (const settings of [{ ratio: 0.5 }, { ratio: 0.5, allocate: 'loss' }, { energy: 0.9 }, { rank: 3 }]) {
      const { report } = await lowRank({ method: 'whitened', ...settings }, llama, { calibration: windows });
      expect(report.layers).toHaveLength(14);
      for (const { kindAfter, outputError: error } of report.layers) if (kindAfter === 'lowRank') expect(error).toBeGreaterThan(0);
      if ('ratio' in settings) expect(report.bytesAfter).toBeLessThanOrEqual(0.5 * report.bytesBefore);
    }
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });

  it('gives equal bits for equal inputs', async () => {
    const [first, second] = [0, 1].map(() => lowRank({ method: 'whitened', ratio: 0.5 }, model, { calibration }));
    expect((await second!).model.parameters.get(wide)).toEqual((await first!).model.parameters.get(wide));
  });

  it('asks for calibration text, and for enough of it', async () => {
    await expect(lowRank({ method: 'whitened', rank: 3 })).rejects.toMatchObject({ code: 'not_enough_samples' });
    const few = fixedInputs((width) => ({ rows: gaussian(2, width, 1), tokens: 2 }));
    await expect(lowRank({ method: 'whitened', rank: 3 }, model, { calibration: few })).rejects.toThrow(/2 calibration tokens.*at least 3/);
  });
});

describe('lowRank, weighted by rows', () => {
  const windows = new Windows(engine, tinyWindows());
  /** The row scales that FWSVD should use, up to a factor. */
  async function fisherRows(path: string): Promise<Float64Array> {
    const [, n = 0] = parameterSpecs(model).get(path)!.shape;
    for await (const { squares } of windows.gradientSquares(model, [path], quietContext))
      return Float64Array.from({ length: squares.length / n }, (_, row) =>
        Math.sqrt(squares.subarray(row * n, (row + 1) * n).reduce((sum, square) => sum + square, 0)),
      );
    throw new Error('no gradients');
  }
  const weighted = (path: string, scales: Float64Array, after?: Model): Float32Array => {
    const [, n = 0] = parameterSpecs(model).get(path)!.shape;
    const approximation = after === undefined ? undefined : materializeParameter(after, path).data;
    return materializeParameter(model, path).data.map(
      (value, index) => (value - (approximation?.[index] ?? 0)) * scales[Math.floor(index / n)]!,
    );
  };

  it.each(['fwsvd', 'asvd'])('reproduces every matrix at full rank by %s, and less with fewer components', async (method) => {
    let before = -1;
    for (const rank of [16, 11, 6, 2]) {
      const { model: after } = await lowRank({ method, rank }, model, { calibration: windows });
      const error = weightError(model, after, square);
      if (rank === 16) for (const path of [wide, tall, square]) expect(weightError(model, after, path)).toBeLessThan(1e-5);
      else expect(error).toBeGreaterThan(before);
      before = error;
    }
  });

  it('loses exactly the tail of the spectrum of D·W by fwsvd, which plain does not', async () => {
    const { model: after } = await lowRank({ method: 'fwsvd', rank: 5 }, model, { calibration: windows });
    const { model: plain } = await lowRank({ rank: 5 });
    for (const path of [wide, tall, square]) {
      const scales = await fisherRows(path);
      const all = weighted(path, scales);
      const best = tailNorm(exactSigma({ ...materializeParameter(model, path), data: all }), 5);
      expect(frobenius(weighted(path, scales, after)) / best).toBeCloseTo(1, 3);
      expect(frobenius(weighted(path, scales, plain))).toBeGreaterThan(best);
    }
  });

  it('is plain by asvd with a power of zero', async () => {
    const { model: after } = await lowRank({ method: 'asvd', alpha: 0, rank: 5 }, model, { calibration: windows });
    const { model: plain } = await lowRank({ rank: 5 });
    for (const path of [wide, tall, square]) {
      const [a, b] = [materializeParameter(plain, path).data, materializeParameter(after, path).data];
      expect(frobenius(a.map((value, index) => value - b[index]!)) / frobenius(a)).toBeLessThan(1e-5);
    }
  });

  it('has an output error between plain and whitened by asvd', async () => {
    const [plain, asvd, whitened] = await Promise.all(
      ['plain', 'asvd', 'whitened'].map((method) => lowRank({ method, rank: 4 }, model, { calibration: windows })),
    );
    const include = [wide, tall, square];
    for await (const { gram, width, paths } of windows.inputMoments(model, include, quietContext))
      for (const path of paths) {
        const error = ({ model: after }: MethodResult): number => {
          const [w, made] = [materializeParameter(model, path).data, materializeParameter(after, path).data];
          const difference = Float64Array.from(w, (value, index) => value - made[index]!);
          const n = difference.length / width;
          const weightedDifference = multiply(gram, difference, width, width, n);
          return difference.reduce((sum, value, index) => sum + value * weightedDifference[index]!, 0);
        };
        expect(error(whitened!)).toBeLessThan(error(asvd!));
        expect(error(whitened!)).toBeLessThan(error(plain!));
      }
  });

  it('copes with dead channels: rows without gradients, inputs that are always zero', async () => {
    const silent: Calibration = {
      ...fixedInputs(correlatedRows),
      async *gradientSquares(which, paths) {
        for (const path of paths) yield { path, windows: 1, squares: new Float32Array(materializeParameter(which, path).data.length) };
      },
      async *inputMagnitudes(which, paths) {
        for (const path of paths) {
          const [width = 0] = parameterSpecs(which).get(path)!.shape;
          yield { paths: [path], tokens: 9, sums: Float64Array.from({ length: width }, (_, channel) => (channel < 3 ? 0 : 1)) };
        }
      },
    };
    for (const method of ['fwsvd', 'asvd']) {
      const { model: after } = await lowRank({ method, rank: 16 }, model, { calibration: silent });
      for (const path of [wide, tall, square]) expect(weightError(model, after, path)).toBeLessThan(1e-4);
    }
  });

  it('asks for calibration text, and for a power only where there is one', async () => {
    for (const settings of [
      { method: 'fwsvd', rank: 3 },
      { method: 'asvd', rank: 3 },
      { ratio: 0.5, allocate: 'loss' },
    ]) {
      const step = methods['lowRank']!.step(settings, 'lowRank');
      expect(step.needsCalibration).toBe(true);
      await expect(step.apply(model, { engine }, quietContext)).rejects.toMatchObject({ code: 'not_enough_samples' });
    }
    expect(() => methods['lowRank']!.step({ method: 'fwsvd', rank: 3, alpha: 1 }, 'lowRank')).toThrow(
      /lowRank\.alpha: is the power of method "asvd"/,
    );
    expect(() => methods['lowRank']!.step({ energy: 0.5, allocate: 'sensitivity' }, 'lowRank')).toThrow(
      /lowRank\.allocate: "sensitivity" shares out/,
    );
  });

  it.each(['uniform', 'loss'])('goes on where it was stopped, to the same model, with allocate %s', async (allocate) => {
    const kept = new Map<string, FinishedLayer>();
    const controller = new AbortController();
    const memory: LayerMemory = {
      recall: async (key) => kept.get(key),
      remember: async (key, finished) => {
        kept.set(key, finished);
        if (kept.size === 3) controller.abort();
      },
    };
    const settings = { method: 'whitened', ratio: 0.5, allocate };
    const stopped = lowRank(settings, model, { calibration: windows, memory }, { ...quietContext, signal: controller.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expect(kept.size).toBe(3);
    const resumed = await lowRank(settings, model, { calibration: windows, memory: { ...memory, remember: async () => {} } });
    expect(resumed).toEqual(await lowRank(settings, model, { calibration: windows }));
  });
});
