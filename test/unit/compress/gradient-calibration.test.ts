// What calibration says of gradients, magnitudes, tokens and losses: against differences of losses that a model's graph really gives.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type Calibration, methods, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { buildScoreGraph, denseParameter, type Model, materializeParameter, modelInputs, replaceParameters } from '#models';
import { float32, type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
const calibration = new WindowCalibration(engine, tinyWindows(2));

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** −log p of each window, without its first token. */
async function windowLosses(model: Model): Promise<number[]> {
  const program = await engine.compile(buildScoreGraph(model, { batch: 2, length: 12 }));
  const losses: number[] = [];
  for await (const tokens of tinyWindows(2)()) {
    const labels = hostTensor(
      'int64',
      [2, 12],
      BigInt64Array.from(tokens.data, (_, index) => tokens.data[index + 1] ?? 0n),
    );
    const results = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens, labels });
    const nats = Array.from(toNumbers(results['negativeLogLikelihood']!.read()));
    for (const row of [0, 1]) losses.push(nats.slice(row * 12, row * 12 + 11).reduce((sum, value) => sum + value, 0));
    for (const buffer of Object.values(results)) buffer.release();
  }
  await program.release();
  return losses;
}

function changed(model: Model, path: string, index: number, step: number): Model {
  const { shape, data } = materializeParameter(model, path);
  const moved = Float32Array.from(data);
  moved[index] = moved[index]! + step;
  return replaceParameters(model, [denseParameter(path, float32(shape, moved))]);
}

describe('gradientSquares', () => {
  it.each([
    ['gpt2', gpt2Config],
    ['llama', llamaConfig],
  ] as const)('are the squared slopes of every window of a %s', async (name, config) => {
    const model = tinyModel(config);
    const paths = name === 'gpt2' ? ['h.0.attn.qkv.weight', 'h.1.mlp.proj.weight'] : ['h.0.mlp.gate.weight', 'head.weight'];
    const all = await collected(calibration.gradientSquares(model, paths, quietContext));
    expect(all.map(({ path, windows }) => [path, windows])).toEqual(paths.map((path) => [path, 4]));
    for (const { path, squares } of all) {
      const largest = squares.indexOf(Math.max(...squares));
      for (const index of [largest, 17]) {
        const step = 2 ** -6;
        const [up, down] = [await windowLosses(changed(model, path, index, step)), await windowLosses(changed(model, path, index, -step))];
        const slopes = up.map((loss, window) => (loss - down[window]!) / (2 * step));
        const expected = slopes.reduce((sum, slope) => sum + slope * slope, 0);
        expect(Math.abs(squares[index]! - expected)).toBeLessThan(0.01 * expected + 1e-4 * squares[largest]!);
      }
    }
  });

  it('do not depend on how a weight is stored, nor on the memory', async () => {
    const step = methods['lowRank']!.step({ rank: 5 }, 'lowRank');
    const { model } = await step.apply(tinyModel(), { engine }, quietContext);
    const paths = ['h.0.attn.qkv.weight', 'h.0.mlp.fc.weight', 'h.1.attn.out.weight'];
    const dense = replaceParameters(
      model,
      paths.map((path) => denseParameter(path, materializeParameter(model, path))),
    );
    const [stored, materialized] = [model, dense].map((which) => collected(calibration.gradientSquares(which, paths, quietContext)));
    const tight = new WindowCalibration(engine, tinyWindows(2), { memoryBytes: 1 });
    const apart = await collected(tight.gradientSquares(model, paths, quietContext));
    expect(apart).toEqual(await stored);
    for (const [index, { squares }] of (await materialized!).entries()) {
      const other = (await stored!)[index]!.squares;
      const scale = Math.max(...squares);
      for (let at = 0; at < squares.length; at++) expect(Math.abs(other[at]! - squares[at]!)).toBeLessThan(1e-4 * scale);
    }
  });
});

describe('outputMoments', () => {
  it('are those of the gradients: of a window of two tokens, one row times itself', async () => {
    const one = new WindowCalibration(engine, async function* () {
      yield int64([1, 2], [3, 7]);
    });
    const path = 'h.1.attn.out.weight';
    const [{ gram, width } = { gram: new Float64Array(), width: 0 }] = await collected(
      one.outputMoments(tinyModel(), [path], quietContext),
    );
    const [{ squares } = { squares: new Float32Array() }] = await collected(one.gradientSquares(tinyModel(), [path], quietContext));
    expect(width).toBe(16);
    for (let i = 0; i < width; i++) {
      // G = xᵀ·dY, so that the squares of one row of the weight go as the diagonal of dYᵀ·dY.
      expect(squares[i]! / squares[0]!).toBeCloseTo(gram[i * 17]! / gram[0]!, 3);
      for (let j = 0; j < width; j++) {
        expect(gram[i * width + j]).toBe(gram[j * width + i]);
        expect(gram[i * width + j]! ** 2).toBeCloseTo(gram[i * 17]! * gram[j * 17]!, 6);
      }
    }
  });
});

describe('inputMagnitudes and tokenCounts', () => {
  it('agree with the second moments: no mean of sizes is above the root of the mean square', async () => {
    const model = tinyModel(llamaConfig);
    const paths = ['h.0.attn.q.weight', 'h.0.attn.k.weight', 'h.1.mlp.down.weight', 'head.weight'];
    const magnitudes = await collected(calibration.inputMagnitudes(model, paths, quietContext));
    const moments = await collected(calibration.inputMoments(model, paths, quietContext));
    expect(magnitudes.map((each) => each.paths)).toEqual(moments.map((each) => each.paths));
    for (const [index, { sums, tokens }] of magnitudes.entries())
      sums.forEach((sum, channel) => {
        const meanSquare = moments[index]!.gram[channel * (sums.length + 1)]! / tokens;
        expect(sum / tokens).toBeGreaterThan(0);
        expect(sum / tokens).toBeLessThanOrEqual(Math.sqrt(meanSquare) * (1 + 1e-6));
      });
  });

  it('count every token of every window', async () => {
    const counts = await calibration.tokenCounts(tinyModel(), quietContext);
    expect(counts).toHaveLength(40);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(48);
  });
});

describe('lossProbe', () => {
  it('gives the loss of the model with one matrix exchanged, and all memory back', async () => {
    const model = tinyModel();
    const path = 'h.1.mlp.fc.weight';
    const mean = async (which: Model): Promise<number> => (await windowLosses(which)).reduce((sum, loss) => sum + loss, 0) / 44;
    const probe = await calibration.lossProbe(model, [path], quietContext);
    expect(await probe.loss()).toBeCloseTo(await mean(model), 5);
    const zeros: HostTensor<'float32'> = float32([16, 32], new Float32Array(512));
    const without = replaceParameters(model, [denseParameter(path, zeros)]);
    expect(await probe.loss(path, zeros)).toBeCloseTo(await mean(without), 5);
    expect(await probe.loss(path, materializeParameter(model, path))).toBe(await probe.loss());
    await probe.release();
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });
});

describe('gradients and losses', () => {
  const uses: readonly (readonly [string, (from: Calibration, model: Model) => Promise<unknown>])[] = [
    ['gradientSquares', (from, model) => collected(from.gradientSquares(model, ['h.0.mlp.fc.weight'], quietContext))],
    ['lossProbe', (from, model) => from.lossProbe(model, ['h.0.mlp.fc.weight'], quietContext)],
    ['tokenCounts', (from, model) => from.tokenCounts(model, quietContext)],
  ];
  it.each(uses)('%s refuses data without a window', async (_, use) => {
    await expect(use(new WindowCalibration(engine, tinyWindows(0)), tinyModel())).rejects.toMatchObject({ code: 'not_enough_samples' });
  });

  it('refuse windows of one token, after which nothing comes', async () => {
    const single = new WindowCalibration(engine, async function* () {
      yield int64([3, 1], [1, 2, 3]);
    });
    await expect(uses[0]![1](single, tinyModel())).rejects.toThrow(/no window of two tokens/);
  });

  it('refuse weights that are not finite', async () => {
    const broken = changed(tinyModel(), 'h.0.mlp.fc.weight', 3, Number.NaN);
    await expect(uses[0]![1](calibration, broken)).rejects.toMatchObject({ code: 'bad_weights' });
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });
});
