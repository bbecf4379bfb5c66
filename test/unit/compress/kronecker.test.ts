// The Kronecker method: the inner fit against exact singular values, orders that never raise the error, whole models, counts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { jacobiSvd, multiply, runAtOnce } from '#linalg';
import {
  buildLogitsGraph,
  checkModel,
  denseParameter,
  type Model,
  type ModelConfig,
  type ModelDeclaration,
  materializeParameter,
  modelInputs,
  type ParameterDeclaration,
  parameterCounts,
  parameterSpecs,
  parametrizationOf,
  replaceParameters,
} from '#models';
import { castTensor, float32, type HostTensor, int64, toNumbers } from '#tensor';
import { EngineMatrices } from '../../../src/compress/decomposition/engine-matrices.ts';
import { chooseShape, isInLayout } from '../../../src/compress/kronecker/layouts.ts';
import { nearestKroneckerSum, plainOrder, type SumShape, sumInPlace } from '../../../src/compress/kronecker/nearest-sum.ts';
import { type SearchKind, searchPermutations } from '../../../src/compress/kronecker/permutation-search.ts';
import { kroneckerSettings } from '../../../src/compress/kronecker/settings.ts';
import { frobenius, gaussian, randomWeight } from './matrices.ts';
import { gpt2Config, llamaConfig, tinyModel } from './tiny-model.ts';

let engine: Engine;
let matrices: EngineMatrices;
const { signal } = new AbortController();
beforeAll(async () => {
  engine = await createOnnxEngine();
  matrices = new EngineMatrices(engine, signal);
});
afterAll(async () => {
  await matrices.release();
  await engine.dispose();
});

const shape = (terms: number, m: number, n: number, m2: number, n2: number): SumShape => ({ terms, m1: m / m2, n1: n / n2, m2, n2 });
const inPlainOrder = (weight: HostTensor<'float32'>) => ({
  data: weight.data,
  rows: plainOrder(at(weight.shape, 0)),
  columns: plainOrder(at(weight.shape, 1)),
});

/** X[(i1, j1), (i2, j2)] = W[(i1, i2), (j1, j2)] */
function rearranged(weight: HostTensor<'float32'>, { m1, n1, m2, n2 }: SumShape): Float64Array {
  const x = new Float64Array(weight.data.length);
  let index = 0;
  for (let i1 = 0; i1 < m1; i1++)
    for (let j1 = 0; j1 < n1; j1++)
      for (let i2 = 0; i2 < m2; i2++) for (let j2 = 0; j2 < n2; j2++) x[index++] = weight.data[(i1 * m2 + i2) * n1 * n2 + j1 * n2 + j2]!;
  return x;
}

describe('nearestKroneckerSum', () => {
  it('loses exactly the discarded singular values of the rearranged matrix, less with every term, nothing with all', () => {
    const weight = randomWeight(12, 10, 4);
    const full = shape(1, 12, 10, 3, 2);
    const { sigma } = runAtOnce(jacobiSvd(rearranged(weight, full), 20, 6));
    let before = Number.POSITIVE_INFINITY;
    for (let terms = 1; terms <= 6; terms++) {
      const fit = runAtOnce(nearestKroneckerSum(inPlainOrder(weight), { ...full, terms }));
      const tail = sigma.subarray(terms).reduce((sum, value) => sum + value ** 2, 0);
      const made = runAtOnce(sumInPlace(fit, plainOrder(12), plainOrder(10)));
      const lost = frobenius(made.map((value, index) => value - weight.data[index]!)) ** 2;
      expect(fit.lost).toBeCloseTo(tail, 9);
      expect(lost).toBeCloseTo(tail, 4);
      expect(fit.lost).toBeLessThanOrEqual(before);
      before = fit.lost;
    }
    expect(before).toBeLessThan(1e-12);
  });

  it('recovers a planted product to 1e-10', () => {
    const [a, b] = [gaussian(4, 3, 1), gaussian(2, 5, 2)].map((values) => Float64Array.from(values, Math.fround));
    const data = new Float32Array(8 * 15);
    // small whole multiples, so that float32 holds the products exactly
    const [wholeA, wholeB] = [a!.map((value) => Math.round(8 * value)), b!.map((value) => Math.round(8 * value))];
    for (let i = 0; i < 8; i++)
      for (let j = 0; j < 15; j++) data[i * 15 + j] = wholeA[Math.floor(i / 2) * 3 + Math.floor(j / 5)]! * wholeB[(i % 2) * 5 + (j % 5)]!;
    const { outer, inner } = runAtOnce(nearestKroneckerSum({ data, rows: plainOrder(8), columns: plainOrder(15) }, shape(1, 8, 15, 2, 5)));
    const made = multiply(outer, inner, 12, 1, 10);
    const planted = multiply(wholeA, wholeB, 12, 1, 10);
    expect(frobenius(made.map((value, index) => value - planted[index]!)) / frobenius(planted)).toBeLessThan(1e-10);
  });

  it('gives zeros for a matrix of zeros', () => {
    const fit = runAtOnce(nearestKroneckerSum(inPlainOrder(float32([4, 4], new Float32Array(16))), shape(1, 4, 4, 2, 2)));
    expect(fit.total).toBe(0);
    expect([...fit.outer].every((value) => value === 0)).toBe(true);
  });
});

describe('searchPermutations', () => {
  for (const kind of ['alternation', 'continuation'] as SearchKind[]) {
    it(`never raises the error from step to step and ends no worse than the plain order (${kind})`, async () => {
      for (const [m, n, sum] of [
        [24, 32, shape(2, 24, 32, 2, 4)],
        [32, 24, shape(1, 32, 24, 4, 1)],
        [16, 16, shape(3, 16, 16, 2, 2)],
      ] as const) {
        const weight = randomWeight(m, n, 11);
        const [rowAxis, columnAxis] = [
          { size: m, isMovable: true },
          { size: n, isMovable: true },
        ];
        const { orders, fits, history } = await searchPermutations(matrices, [{ weight, shape: sum, rowAxis, columnAxis }], kind);
        for (let step = 1; step < history.length; step++) expect(history[step]!).toBeLessThanOrEqual(history[step - 1]!);
        const plain = runAtOnce(nearestKroneckerSum(inPlainOrder(weight), sum));
        expect(fits[0]!.lost).toBeLessThanOrEqual(plain.lost);
        for (const order of orders.values()) expect([...order].sort((x, y) => x - y)).toEqual([...plainOrder(order.length)]);
        const made = runAtOnce(sumInPlace(fits[0]!, orders.get(rowAxis)!, orders.get(columnAxis)!));
        expect(frobenius(made.map((value, index) => value - weight.data[index]!)) ** 2).toBeCloseTo(fits[0]!.lost, 2);
      }
    });
  }

  it('finds groups of equal columns that are scattered', async () => {
    const random = new Random(5);
    const [m, n] = [8, 12];
    const base = gaussian(m, 3, 6);
    const group = Array.from({ length: n }, (_, column) => column % 3);
    const weight = float32(
      [m, n],
      Float32Array.from({ length: m * n }, (_, index) => base[Math.floor(index / n) * 3 + group[index % n]!]! + 1e-3 * random.normal()),
    );
    const problem = {
      weight,
      shape: shape(1, m, n, 1, 4),
      rowAxis: { size: m, isMovable: true },
      columnAxis: { size: n, isMovable: true },
    };
    const { fits } = await searchPermutations(matrices, [problem], 'continuation');
    expect(runAtOnce(nearestKroneckerSum(inPlainOrder(weight), problem.shape)).lost / fits[0]!.total).toBeGreaterThan(0.1);
    expect(Math.sqrt(fits[0]!.lost / fits[0]!.total)).toBeLessThan(0.01);
  });

  it('leaves an axis alone that no block splits, and one that may not move', async () => {
    const weight = randomWeight(8, 8, 2);
    const [rowAxis, columnAxis] = [
      { size: 8, isMovable: true },
      { size: 8, isMovable: false },
    ];
    const { orders } = await searchPermutations(matrices, [{ weight, shape: shape(1, 8, 8, 1, 4), rowAxis, columnAxis }], 'continuation');
    expect([...orders.values()]).toEqual([plainOrder(8), plainOrder(8)]);
  });
});

const tokens = int64([2, 5], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]);

async function logits(model: Model): Promise<number[]> {
  const program = await engine.compile(buildLogitsGraph(model, { batch: 2, length: 5 }), { name: 'logits' });
  try {
    const used = Object.fromEntries([...modelInputs(model)].filter(([name]) => program.inputNames.includes(name)));
    const { logits: result } = await program.run({ ...used, tokens });
    return Array.from(toNumbers(result!.read()));
  } finally {
    await program.release();
  }
}

const worst = (left: readonly number[], right: readonly number[]): number =>
  left.reduce((most, value, index) => Math.max(most, Math.abs(value - right[index]!)), 0);

async function compress(model: Model, settings: object): ReturnType<typeof compressModel> {
  return await compressModel(model, parseRecipe({ steps: [{ kronecker: settings }] }, methods), { engine }, quietContext);
}

function densified(model: Model): Model {
  return replaceParameters(
    model,
    [...model.parameters.keys()].map((path) => denseParameter(path, materializeParameter(model, path))),
  );
}

describe('the kronecker step', () => {
  for (const config of [gpt2Config, { ...llamaConfig, tiedHead: true }] as ModelConfig[]) {
    for (const permute of ['none', 'hidden', 'all'])
      it(`makes a smaller model that computes what its dense weights compute (${config.architecture}, permute ${permute})`, async () => {
        const model = tinyModel(config);
        const include = ['h.*', 'embed.token.weight'];
        const { model: made, report } = await compress(model, { ratio: 0.5, permute, include });
        checkModel(made);
        const step = at(report.steps, 0);
        for (const layer of step.layers) {
          expect(layer.kindAfter).toBe('kronecker');
          expect(layer.weightError).toBeGreaterThan(0);
          expect(layer.weightError).toBeLessThan(0.9);
        }
        expect(step.bytesAfter / step.bytesBefore).toBeLessThan(permute === 'all' ? 0.65 : 0.55);
        expect(report.bytesAfter).toBe(parameterCounts(made).storedBytes);
        expect(worst(await logits(made), await logits(densified(made)))).toBeLessThan(1e-4);
      });
  }

  it('gives the logits of the model with all terms, orders or not, tied or untied', async () => {
    const model = tinyModel(gpt2Config);
    const { model: made, report } = await compress(model, { terms: 4, shape: [2, 2], include: ['*'], head: 'untied' });
    expect(made.config.tiedHead).toBe(false);
    expect(made.parameters.get('head.weight')?.kind).toBe('kronecker');
    for (const { weightError } of at(report.steps, 0).layers) expect(weightError).toBeLessThan(1e-6);
    expect(worst(await logits(made), await logits(model))).toBeLessThan(1e-3);
  });

  it('puts the order of hidden units into the neighbouring weights, which changes nothing else', async () => {
    const model = tinyModel(gpt2Config);
    const { model: made } = await compress(model, { ratio: 0.5, permute: 'hidden', include: ['h.0.mlp.fc.weight'] });
    const fc = made.parameters.get('h.0.mlp.fc.weight')!;
    expect(Object.keys(fc.tensors)).toEqual(['outer', 'inner']);
    const rowsOf = (of: Model): string[] => {
      const { data } = materializeParameter(of, 'h.0.mlp.proj.weight');
      return Array.from({ length: 32 }, (_, row) => data.slice(row * 16, row * 16 + 16).join());
    };
    const before = rowsOf(model);
    const order = rowsOf(made).map((row) => before.indexOf(row));
    expect(order).not.toEqual([...plainOrder(32)]);
    // Back in the old order, with the old neighbours, the model is the same function.
    const moved = materializeParameter(made, fc.path).data;
    const back = new Float32Array(moved.length);
    for (let row = 0; row < 16; row++) for (let unit = 0; unit < 32; unit++) back[row * 32 + order[unit]!] = moved[row * 32 + unit]!;
    const plain = replaceParameters(model, [denseParameter(fc.path, float32([16, 32], back))]);
    expect(worst(await logits(made), await logits(plain))).toBeLessThan(1e-4);
  });

  it('keeps 16-bit weights in 16 bits, and repeats itself', async () => {
    const model = tinyModel(gpt2Config);
    const halves = replaceParameters(
      model,
      [...model.parameters.values()].map((parameter) => denseParameter(parameter.path, castTensor(parameter.tensors['value']!, 'float16'))),
    );
    const [first, second] = [await compress(halves, { ratio: 0.5 }), await compress(halves, { ratio: 0.5 })];
    expect(first.model.parameters.get('h.0.attn.out.weight')?.tensors['outer']?.dtype).toBe('float16');
    expect(first.report).toEqual(second.report);
    for (const [path, { tensors }] of first.model.parameters) expect(tensors).toEqual(second.model.parameters.get(path)?.tensors);
  });

  it('compresses a Kronecker weight again, and leaves what would not get smaller', async () => {
    const model = tinyModel(gpt2Config);
    const include = ['h.*.mlp.*'];
    const { model: half } = await compress(model, { ratio: 0.5, include });
    const { report } = await compress(half, { ratio: 0.5, include });
    for (const { kindBefore, bytesBefore, bytesAfter } of at(report.steps, 0).layers) {
      expect(kindBefore).toBe('kronecker');
      expect(bytesAfter).toBeLessThan(0.7 * bytesBefore);
    }
    const { model: same, report: whole } = await compress(half, { ratio: 1, include });
    expect(same.parameters).toEqual(half.parameters);
    for (const { note } of at(whole.steps, 0).layers) expect(note).toMatch(/kept as it is/);
  });

  it('names bad sizes, patterns outside a layout, and settings that contradict each other', async () => {
    const model = tinyModel(gpt2Config);
    const failure = (settings: object): Promise<unknown> =>
      compress(model, settings).then(
        () => 'done',
        (error: Error) => error.message,
      );
    expect(await failure({ terms: 1, shape: [3, 1] })).toMatch(
      /\[does_not_factor\] steps\[0\]: kronecker: h\.0\.attn\.qkv\.weight \[16, 48\].*\[3, 1\]/,
    );
    expect(await failure({ terms: 5, shape: [2, 2] })).toMatch(/\[rank_out_of_range\].*5 terms.*1\.\.4/);
    expect(await failure({ terms: 1, shape: [16, 32], include: ['h.*.mlp.fc.weight'] })).toMatch(/\[does_not_factor\].*256/);
    expect(await failure({ layout: 'tqcompressor', include: ['h.*.attn.*'] })).toMatch(/\[pattern_matches_nothing\].*tqcompressor/);
    expect(await failure({ ratio: 0.5, layout: 'kngpt2' })).toMatch(/\[bad_recipe\] steps\[0\]\.kronecker\.layout/);
    expect(await failure({ terms: 2 })).toMatch(/\[bad_recipe\] .*terms and shape/);
    expect(await failure({})).toMatch(/\[bad_recipe\] .*ratio/);
    expect(await failure({ ratio: 0.5, permut: 'all' })).toMatch(/Did you mean "permute"/);
    const broken = replaceParameters(model, [
      denseParameter('h.0.attn.out.weight', float32([16, 16], new Float32Array(256).fill(Number.NaN))),
    ]);
    await expect(compress(broken, { ratio: 0.5 })).rejects.toMatchObject({ code: 'bad_weights' });
  });

  it('stops at the signal and leaves the model as it was', async () => {
    const controller = new AbortController();
    controller.abort();
    const recipe = parseRecipe({ steps: [{ kronecker: { ratio: 0.5 } }] }, methods);
    await expect(compressModel(tinyModel(), recipe, { engine }, { ...quietContext, signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});

describe('published layouts', () => {
  const gpt2Small: ModelConfig = {
    ...gpt2Config,
    vocabularySize: 50257,
    width: 768,
    layers: 12,
    heads: 12,
    feedForwardWidth: 3072,
    maxPositions: 1024,
  };

  /** GPT-2 small in a layout, without its weights. */
  function declared(layout: 'tqcompressor' | 'kngpt2'): ModelDeclaration {
    const settings = kroneckerSettings.parse({ layout });
    const config = { ...gpt2Small, tiedHead: false };
    const parameters = [...parameterSpecs({ config }).values()].map((spec): [string, ParameterDeclaration] => {
      const { path } = spec;
      if (spec.role === 'vector' || !isInLayout(settings, spec))
        return [path, { path, kind: 'dense', settings: {}, tensors: { value: { dtype: 'float32', shape: spec.shape } } }];
      const { terms, m2, n2 } = chooseShape(settings, { spec, bytesBefore: 0, elementBytes: 4, freeSide: undefined });
      const declaration = { path, kind: 'kronecker', settings: { terms, innerRows: m2, innerColumns: n2 } };
      const slots = Object.entries(parametrizationOf(declaration).slots(spec, declaration.settings));
      const tensors = Object.fromEntries(slots.map(([slot, { shape: dims }]) => [slot, { dtype: 'float32' as const, shape: dims }]));
      return [path, { ...declaration, tensors }];
    });
    return { config, parameters: new Map(parameters) };
  }

  it('counts GPT-2 small in the layout of TQCompressor as published, and as stored', () => {
    const model = declared('tqcompressor');
    checkModel(model);
    const { stored } = parameterCounts(model);
    expect(stored).toBe(119_933_764);
    expect(stored - 50257 * 768).toBe(81_336_388);
  });

  it('counts GPT-2 small in the layout of KnGPT-2: 83M as published, 122.5M as stored', () => {
    const model = declared('kngpt2');
    checkModel(model);
    const { stored } = parameterCounts(model);
    expect(stored).toBe(122_504_882);
    expect(stored - 50257 * 768).toBe(83_907_506);
  });

  it('touches the embedding and odd blocks only, unties the head, and says both counts', async () => {
    const { model, report } = await compress(tinyModel(gpt2Config), { layout: 'tqcompressor' });
    const step = at(report.steps, 0);
    expect(step.layers.map(({ path, note }) => `${path}: ${note}`)).toEqual([
      'embed.token.weight: 1 × [40, 4] ⊗ [1, 4]',
      'h.1.mlp.fc.weight: 4 × [8, 8] ⊗ [2, 4]',
      'h.1.mlp.proj.weight: 4 × [8, 8] ⊗ [4, 2]',
    ]);
    expect(model.parameters.get('head.weight')?.kind).toBe('dense');
    expect(step.note).toMatch(/counted as publications do, without the head/);
  });

  it('leaves the two hidden sides of a fused block without a stored order', async () => {
    const { model } = await compress(tinyModel(gpt2Config), { layout: 'tqcompressor' });
    const slots = (path: string): string[] => Object.keys(model.parameters.get(path)!.tensors);
    expect(slots('h.1.mlp.fc.weight')).not.toContain('columnOrder');
    expect(slots('h.1.mlp.proj.weight')).not.toContain('rowOrder');
  });
});
