// Structured pruning: what is cut is gone, what stays computes as if the rest were masked, and the configuration follows.
import { afterAll, describe, expect, it } from 'vitest';
import { type OperationContext, type Progress, quietContext } from '#base';
import { type CompressionEnvironment, compressModel, type MethodResult, methods, parseRecipe, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import {
  architectureOf,
  buildScoreGraph,
  checkConfig,
  checkModel,
  layerShapes,
  type Model,
  type ModelConfig,
  materializeParameter,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  storedTensors,
} from '#models';
import { castTensor, int64, rawBytes, toNumbers } from '#tensor';
import { firstOrderUnits } from '../../../src/compress/prune/structured/text-pass.ts';
import { runGraph } from '../models/tiny-models.ts';
import { frobenius } from './matrices.ts';
import { edited, logitsOf, withRandomVectors, withZeroRows } from './structured-models.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
afterAll(() => engine.dispose());
const calibration = new WindowCalibration(engine, tinyWindows());
const gpt2 = withRandomVectors(tinyModel(gpt2Config));
const llama = withRandomVectors(tinyModel({ ...llamaConfig, attentionBias: true, feedForwardBias: true }));
const both = [
  ['gpt2', gpt2],
  ['llama', llama],
] as const;

function prune(
  settings: object,
  which: Model = gpt2,
  environment: Partial<CompressionEnvironment> = { calibration },
  context = quietContext,
): Promise<MethodResult> {
  return methods['prune']!.step(settings, 'prune').apply(which, { engine, ...environment }, context);
}

function distance(first: ArrayLike<number>, second: ArrayLike<number>): number {
  return frobenius(Float64Array.from(first, (value, index) => value - second[index]!)) / frobenius(second);
}

/** Rows of a matrix before that are not among the rows of the matrix after. */
function missingRows(before: Model, after: Model, path: string): number[] {
  const [old, made] = [materializeParameter(before, path), materializeParameter(after, path)];
  const rowsOf = ({ shape, data }: typeof old): string[] =>
    Array.from({ length: shape[0]! }, (_, row) => String(data.slice(row * shape[1]!, (row + 1) * shape[1]!)));
  const kept = new Set(rowsOf(made));
  return rowsOf(old).flatMap((row, index) => (kept.has(row) ? [] : [index]));
}

const unrepaired = { importance: 'magnitude' };
const readers = { gpt2: { heads: 'attn.out', ffn: 'mlp.proj' }, llama: { heads: 'attn.out', ffn: 'mlp.down' } };

describe.each(both)('%s', (name, model) => {
  it.each(['heads', 'ffn'] as const)('computes without %s as with them masked', async (structure) => {
    for (const importance of ['magnitude', 'firstOrder', 'output']) {
      const { model: after } = await prune({ structure, ratio: 0.5, importance, repair: false }, model);
      const paths = [0, 1].map((block) => `h.${block}.${readers[name][structure]}.weight`);
      const masked = Object.fromEntries(paths.map((path) => [path, missingRows(model, after, path)]));
      expect(Object.values(masked).map(({ length }) => length)).toEqual(structure === 'heads' ? [8, 8] : [16, 16]);
      expect(distance(await logitsOf(after), await logitsOf(withZeroRows(model, masked)))).toBeLessThan(1e-6);
      expect(distance(await logitsOf(after), await logitsOf(model))).toBeGreaterThan(1e-3);
    }
  });

  it('has the sizes and the bytes that the ratio says', async () => {
    for (const structure of ['heads', 'ffn', 'width', 'layers'] as const) {
      const { model: after, report } = await prune({ structure, ratio: 0.5 }, model);
      checkConfig(after.config);
      checkModel(after);
      expect(report.bytesAfter).toBe(report.bytesBefore / 2);
      const isMatrix = new Map([...parameterSpecs(model).values()].map(({ path, role }) => [path, role !== 'vector']));
      const matrixBytes = (which: Model): number =>
        [...storedTensors(which)].reduce((sum, [path, { data }]) => sum + (isMatrix.get(path) === true ? data.byteLength : 0), 0);
      expect(matrixBytes(model) - matrixBytes(after)).toBe(report.bytesBefore - report.bytesAfter);
      const { heads, feedForwardWidth, width, layers, layerShapes: shapes } = after.config;
      const expected = { heads: 4, feedForwardWidth: 32, width: 16, layers: 2 };
      const halved = { heads: 'heads', ffn: 'feedForwardWidth', width: 'width', layers: 'layers' } as const;
      expect({ heads, feedForwardWidth, width, layers }).toEqual({ ...expected, [halved[structure]]: expected[halved[structure]] / 2 });
      expect(shapes).toBeUndefined();
      expect(architectureOf(after.config).heads(after.config, 0).headWidth).toBe(4);
    }
  });

  it('takes different numbers from blocks when all are ranked together', async () => {
    // Block 1 matters less: its outputs are small.
    const faint = replaceParameters(
      model,
      Object.values(readers[name]).map((reader) => edited(model, `h.1.${reader}.weight`, (value) => value / 100)),
    );
    for (const [structure, total] of [
      ['ffn', 64],
      ['heads', name === 'gpt2' ? 8 : 4],
    ] as const) {
      const { model: after } = await prune({ structure, ratio: 0.75, importance: 'firstOrder', spread: 'global', repair: false }, faint);
      const counts = layerShapes(after.config).map((shape) => (structure === 'ffn' ? shape.feedForwardWidth : shape.keyValueHeads));
      expect(counts.reduce((sum, count) => sum + count)).toBe(0.75 * total);
      if (structure === 'ffn') expect(counts).toEqual([32, 16]);
      checkConfig(after.config);
      const paths = [0, 1].map((block) => `h.${block}.${readers[name][structure]}.weight`);
      const masked = Object.fromEntries(paths.map((path) => [path, missingRows(faint, after, path)]));
      expect(distance(await logitsOf(after), await logitsOf(withZeroRows(faint, masked)))).toBeLessThan(1e-6);
    }
  });

  it('keeps the layers that stay byte for byte', async () => {
    const { model: after, report } = await prune({ structure: 'layers', remove: [0] }, model, {});
    expect(after.config).toEqual({ ...model.config, layers: 1 });
    for (const [path, { tensors }] of after.parameters) {
      const source = model.parameters.get(path.replace(/^h\.0\./, 'h.1.'))!;
      expect(tensors['value'], path).toBe(source.tensors['value']);
      expect(after.parameters.get(path)!.path).toBe(path);
    }
    expect(report.layers.find(({ path }) => path === 'h.0.attn.out.weight')).toMatchObject({ kindAfter: 'removed', bytesAfter: 0 });
    expect(report.note).toBe('removed layers 0 of 2');
  });

  it.each(['similarity', 'firstOrder'])('takes out the layer that does least, by %s', async (importance) => {
    const quiet = replaceParameters(
      model,
      Object.values(readers[name]).flatMap((reader) => [
        edited(model, `h.0.${reader}.weight`, (value) => value / 1000),
        edited(model, `h.0.${reader}.bias`, () => 0),
      ]),
    );
    const { report, model: after } = await prune({ structure: 'layers', ratio: 0.5, importance }, quiet);
    expect(report.note).toBe('removed layers 0 of 2');
    expect(distance(await logitsOf(after), await logitsOf(quiet))).toBeLessThan(0.05);
  });

  it('makes up for removed units by refitting what reads them', async () => {
    for (const structure of ['heads', 'ffn'] as const) {
      const { report } = await prune({ structure, ratio: 0.5, importance: 'firstOrder' }, model);
      const refitted = report.layers.filter(({ outputError }) => outputError !== undefined);
      expect(refitted.map(({ path }) => path)).toEqual([0, 1].map((block) => `h.${block}.${readers[name][structure]}.weight`));
      for (const { outputError, note } of refitted) {
        const without = Number(/without the refit ([\d.]+)/.exec(note!)![1]);
        expect(outputError!).toBeLessThan(0.95 * without);
      }
    }
  });

  it('has the gradient of a gate as first-order importance', async () => {
    const tokens = int64([1, 8], [3, 1, 4, 1, 5, 9, 2, 6]);
    const one = new WindowCalibration(engine, async function* () {
      yield tokens;
    });
    const axes = architectureOf(model.config)
      .prunableUnits(model.config)
      .filter(({ kind, block }) => kind === 'heads' && block === 0);
    const scores = await firstOrderUnits(model, axes, { engine, calibration: one }, quietContext);
    const path = 'h.0.attn.out.weight';
    const rowsPerUnit = 16 / axes[0]!.size;
    const loss = async (unit: number, gate: number): Promise<number> => {
      const gated = replaceParameters(model, [
        edited(model, path, (value, row) => (Math.floor(row / rowsPerUnit) === unit ? gate * value : value)),
      ]);
      const labels = int64([1, 8], [1, 4, 1, 5, 9, 2, 6, 0]);
      const { negativeLogLikelihood } = await runGraph(buildScoreGraph(gated, { batch: 1, length: 8 }), gated, { tokens, labels });
      const sum = Array.from(toNumbers(negativeLogLikelihood!).slice(0, 7)).reduce((total, value) => total + value, 0);
      return sum / 7;
    };
    for (const [unit, score] of scores.get('h.0.attn')!.entries()) {
      const slope = ((await loss(unit, 1.01)) - (await loss(unit, 0.99))) / 0.02;
      expect(Math.abs(Math.abs(slope) - score)).toBeLessThan(2e-3 * Math.max(1, score));
    }
  });
});

describe('width', () => {
  it('leaves a Llama that computes as one with the channels masked, but for the norms that count fewer', async () => {
    const { model: after } = await prune({ structure: 'width', ratio: 0.5, ...unrepaired }, llama);
    // Which channels went shows in the embedding: its columns are those that stayed.
    const columns = (which: Model): string[] => {
      const { shape, data } = materializeParameter(which, 'embed.token.weight');
      const [rows = 0, width = 0] = shape;
      return Array.from({ length: width }, (_, column) => String(Array.from({ length: rows }, (__, row) => data[row * width + column])));
    };
    const kept = new Set(columns(after));
    const isGone = columns(llama).map((column) => !kept.has(column));
    const specs = [...parameterSpecs(llama).values()];
    const makers = specs.filter(({ path }) => /embed|out\.weight|down\.weight/.test(path));
    const vectors = specs.filter(({ path }) => /out\.bias|down\.bias/.test(path));
    const norms = specs.filter(({ path }) => path.includes('norm'));
    const masked = replaceParameters({ ...llama, config: { ...llama.config, normEpsilon: llama.config.normEpsilon / 2 } }, [
      ...makers.map(({ path }) => edited(llama, path, (value, _, column) => (isGone[column] === true ? 0 : value))),
      ...vectors.map(({ path }) => edited(llama, path, (value, row) => (isGone[row] === true ? 0 : value))),
      ...norms.map(({ path }) => edited(llama, path, (value) => value * Math.SQRT1_2)),
    ]);
    expect(distance(await logitsOf(after), await logitsOf(masked))).toBeLessThan(1e-6);
  });

  it('keeps the width of a head', async () => {
    const { model: after } = await prune({ structure: 'width', ratio: 0.75 }, gpt2);
    expect(after.config).toMatchObject({ width: 12, heads: 4, headWidth: 4 });
    const { model: narrow } = await prune({ structure: 'heads', ratio: 0.75 }, after);
    // 3 heads of 4 are the width again, so nothing special is left to say.
    expect(narrow.config).toMatchObject({ width: 12, heads: 3 });
    expect(narrow.config).not.toHaveProperty('headWidth');
  });
});

describe('composition', () => {
  const steps = async (list: readonly object[], which: Model = gpt2): Promise<Model> =>
    (await compressModel(which, parseRecipe({ steps: list }, methods), { engine, calibration }, quietContext)).model;

  it.each(both)('cuts low-rank factors of %s on their outer sides', async (_, model) => {
    for (const structure of ['heads', 'ffn', 'width']) {
      const thin = await steps([{ lowRank: { rank: 3, include: ['*'] } }], model);
      const settings = { structure, ratio: 0.5, importance: structure === 'ffn' ? 'output' : 'firstOrder' };
      const [after, dense] = [(await prune(settings, thin)).model, (await prune(settings, materialized(thin))).model];
      expect([...after.parameters.values()].some(({ kind }) => kind === 'lowRank')).toBe(true);
      // Factors and their product have the same best refit; at 1 % damping they differ by rounding alone.
      expect(distance(await logitsOf(after), await logitsOf(dense))).toBeLessThan(1e-4);
    }
  });

  it('stores the product of factors that are no smaller once they are cut', async () => {
    const thin = await steps([{ lowRank: { rank: 6, include: ['h.0.mlp.*'] } }]);
    const { model: after } = await prune({ structure: 'ffn', ratio: 0.125, ...unrepaired }, thin);
    expect(after.parameters.get('h.0.mlp.fc.weight')!.kind).toBe('dense');
    checkModel(after);
  });

  it('goes on from blocks that differ', async () => {
    const uneven = await steps([{ prune: { structure: 'ffn', ratio: 0.5, include: ['h.0.*'] } }]);
    expect(layerShapes(uneven.config).map(({ feedForwardWidth }) => feedForwardWidth)).toEqual([16, 32]);
    checkConfig(uneven.config);
    const fewHeads = await steps([{ prune: { structure: 'heads', ratio: 0.5, include: ['h.0.*'] } }]);
    checkConfig(fewHeads.config);
    expect(fewHeads.config).toMatchObject({ heads: 4, layerShapes: [{ heads: 2 }, { heads: 4 }] });
    const even = await steps([{ prune: { structure: 'ffn', ratio: 0.5, include: ['h.1.*'] } }], uneven);
    expect(even.config).toEqual({ ...gpt2Config, feedForwardWidth: 16 });
    const last = await steps([{ prune: { structure: 'layers', remove: [1] } }], uneven);
    expect(last.config).toEqual({ ...gpt2Config, feedForwardWidth: 16, layers: 1 });
    for (const then of [
      { quantize: { bits: 8, groupSize: 16 } },
      { kronecker: { ratio: 0.5 } },
      { lowRank: { ratio: 0.5, method: 'whitened' } },
    ])
      checkModel(await steps([then], uneven));
  });

  it.each([
    [{ quantize: { bits: 8, groupSize: 16 } }, 'already_quantized', /before the step that quantizes/],
    [{ kronecker: { ratio: 0.5 } }, 'cannot_slice', /kronecker.*Prune structures before/],
    [{ prune: { sparsity: 0.5 } }, 'cannot_slice', /stored sparsely.*Prune structures before/],
  ])('comes before %o', async (step, code, message) => {
    const made = await steps([step]);
    for (const structure of ['heads', 'ffn', 'width'])
      await expect(prune({ structure, ratio: 0.5 }, made)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    // Whole layers need no cut.
    checkModel((await prune({ structure: 'layers', ratio: 0.5 }, made)).model);
  });

  function materialized(which: Model): Model {
    return replaceParameters(
      which,
      [...which.parameters.keys()].map((path) => edited(which, path, (value) => value)),
    );
  }
});

describe('the step', () => {
  it('leaves the width of a narrow embedding alone', async () => {
    const recipe = parseRecipe({ steps: [{ share: { embedding: { width: 4, heads: 2 } } }] }, methods);
    const { model: narrow } = await compressModel(llama, recipe, { engine }, quietContext);
    await expect(prune({ structure: 'width', ratio: 0.5, importance: 'magnitude' }, narrow)).rejects.toMatchObject({
      code: 'cannot_slice',
      message: expect.stringMatching(/prune\.structure: "width".*narrow embedding.*before/),
    });
    checkModel((await prune({ structure: 'ffn', ratio: 0.5 }, narrow)).model);
  });

  it('keeps the element type, and everything that it does not touch', async () => {
    const half = replaceParameters(
      gpt2,
      [...gpt2.parameters.values()].map((each) => ({ ...each, tensors: { value: castTensor(each.tensors['value']!, 'float16') } })),
    );
    const { model: after } = await prune({ structure: 'ffn', ratio: 0.5, include: ['h.1.*'] }, half);
    for (const [path, { tensors }] of after.parameters) {
      expect(tensors['value']!.dtype).toBe('float16');
      if (!path.startsWith('h.1.mlp')) expect(rawBytes(tensors['value']!)).toEqual(rawBytes(half.parameters.get(path)!.tensors['value']!));
    }
  });

  it('rounds what stays to a multiple', async () => {
    expect((await prune({ structure: 'ffn', ratio: 0.6, multipleOf: 8, ...unrepaired })).model.config.feedForwardWidth).toBe(16);
    expect((await prune({ structure: 'ffn', ratio: 0.01, multipleOf: 8, ...unrepaired })).model.config.feedForwardWidth).toBe(8);
    expect((await prune({ structure: 'heads', ratio: 0.01, ...unrepaired })).model.config.heads).toBe(1);
    expect((await prune({ structure: 'ffn', ratio: 1, ...unrepaired })).model.config).toEqual(gpt2Config);
  });

  it('reports progress by matrix, and goes on from what was finished', async () => {
    const remembered = new Map<string, Awaited<ReturnType<NonNullable<CompressionEnvironment['memory']>['recall']>>>();
    const memory: NonNullable<CompressionEnvironment['memory']> = {
      recall: async (key) => remembered.get(key),
      remember: async (key, finished) => void remembered.set(key, finished),
    };
    const settings = { structure: 'ffn', ratio: 0.5 };
    const whole = await prune(settings, gpt2, { calibration, memory });
    expect([...remembered.keys()]).toHaveLength(4);
    remembered.delete('h.1.mlp.proj.weight');
    const progress: Progress[] = [];
    const context: OperationContext = { ...quietContext, report: (each) => progress.push(each) };
    const resumed = await prune(settings, gpt2, { calibration, memory }, context);
    expect(resumed.report).toEqual(whole.report);
    for (const [path, parameter] of resumed.model.parameters) expect(parameter).toEqual(whole.model.parameters.get(path));
    const steps = progress.filter(({ phase }) => phase === 'prune ffn');
    expect(steps.map(({ step, total }) => `${step}/${total}`)).toEqual(['1/4', '2/4', '3/4', '4/4']);
    expect(steps.at(-1)!.metrics).toMatchObject({ bytesSaved: whole.report.bytesBefore - whole.report.bytesAfter });
  });

  it('stops at the signal', async () => {
    const context = { ...quietContext, signal: AbortSignal.abort() };
    for (const structure of ['heads', 'ffn', 'width', 'layers'])
      await expect(prune({ structure, ratio: 0.5 }, gpt2, { calibration }, context)).rejects.toMatchObject({ code: 'cancelled' });
  });

  it.each([
    [{ structure: 'heads' }, /ratio: needs a ratio/],
    [{ structure: 'layers' }, /ratio: needs either ratio or remove/],
    [{ structure: 'layers', ratio: 0.5, remove: [1] }, /ratio/],
    [{ structure: 'ffn', remove: [1] }, /remove: names layers/],
    [{ structure: 'ffn', ratio: 0.5, importance: 'similarity' }, /importance.*knows output, firstOrder, magnitude/],
    [{ structure: 'width', ratio: 0.5, repair: true }, /repair/],
    [{ structure: 'width', ratio: 0.5, spread: 'global' }, /spread/],
    [{ structure: 'width', ratio: 0.5, include: ['h.0.*'] }, /include/],
    [{ structure: 'ffn', ratio: 0 }, /ratio/],
    [{ structure: 'ffn', ratio: 0.5, multipleof: 2 }, /Did you mean "multipleOf"/],
  ])('refuses %o', (settings, message) => {
    expect(() => methods['prune']!.step(settings, 'steps[0].prune')).toThrow(message);
  });

  it('refuses what it cannot do, by name', async () => {
    await expect(prune({ structure: 'ffn', ratio: 0.5, include: ['h.*.attn.*'] })).rejects.toMatchObject({
      code: 'pattern_matches_nothing',
    });
    await expect(prune({ structure: 'ffn', ratio: 0.5, exclude: ['h.*'] })).rejects.toMatchObject({ code: 'pattern_matches_nothing' });
    await expect(prune({ structure: 'layers', remove: [2] })).rejects.toMatchObject({ code: 'bad_recipe' });
    await expect(prune({ structure: 'layers', remove: [0, 1] })).rejects.toMatchObject({ code: 'bad_recipe' });
    for (const settings of [
      { structure: 'ffn', ratio: 0.5 },
      { structure: 'heads', ratio: 0.5 },
      { structure: 'layers', ratio: 0.5 },
      { structure: 'ffn', ratio: 0.5, importance: 'magnitude', repair: true },
    ]) {
      expect(methods['prune']!.step(settings, 'prune').needsCalibration).toBe(true);
      await expect(prune(settings, gpt2, {})).rejects.toMatchObject({ code: 'not_enough_samples' });
      const empty = new WindowCalibration(engine, tinyWindows(0));
      await expect(prune(settings, gpt2, { calibration: empty })).rejects.toMatchObject({ code: 'not_enough_samples' });
    }
    const broken = replaceParameters(gpt2, [edited(gpt2, 'h.0.mlp.fc.weight', (value, row) => (row === 0 ? Number.NaN : value))]);
    await expect(prune({ structure: 'ffn', ratio: 0.5 }, broken)).rejects.toMatchObject({ code: 'bad_weights' });
  });

  it('removes dead neurons first and survives them', async () => {
    const dead = replaceParameters(gpt2, [
      edited(gpt2, 'h.0.mlp.fc.weight', (value, _, column) => (column < 16 ? 0 : value)),
      edited(gpt2, 'h.0.mlp.fc.bias', (value, row) => (row < 16 ? 0 : value)),
    ]);
    for (const importance of ['output', 'firstOrder', 'magnitude']) {
      const { model: after } = await prune({ structure: 'ffn', ratio: 0.5, importance, repair: true, include: ['h.0.*'] }, dead);
      expect(distance(await logitsOf(after), await logitsOf(dead))).toBeLessThan(1e-6);
    }
  });

  it('checks layer shapes', () => {
    const shapes = [
      { heads: 4, keyValueHeads: 4, feedForwardWidth: 32 },
      { heads: 2, keyValueHeads: 2, feedForwardWidth: 8 },
    ];
    const refuse = (config: ModelConfig): void => expect(() => checkConfig(config)).toThrow(/layerShapes/);
    expect(() => checkConfig({ ...gpt2Config, layerShapes: shapes })).not.toThrow();
    refuse({ ...gpt2Config, layerShapes: shapes.slice(1) });
    refuse({ ...gpt2Config, layerShapes: shapes.map((shape) => ({ ...shape, feedForwardWidth: 8 })) });
    refuse({ ...gpt2Config, layerShapes: shapes.map((shape) => ({ ...shape, keyValueHeads: 1 })) });
    refuse({ ...gpt2Config, layerShapes: shapes.map((shape) => ({ ...shape, heads: 0, keyValueHeads: 0 })) });
  });

  it('counts what is stored', async () => {
    const { model: after } = await prune({ structure: 'heads', ratio: 0.5 });
    const { logical, stored } = parameterCounts(after);
    expect(logical).toBe(stored);
    expect(stored).toBe(parameterCounts(gpt2).stored - 2 * (16 * 24 + 24 + 8 * 16));
  });
});
