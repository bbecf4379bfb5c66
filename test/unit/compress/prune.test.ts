// The pruning of single weights: exact counts of zeros, bytes, what composes with what, and what is refused.
import { afterAll, describe, expect, it } from 'vitest';
import { type OperationContext, type Progress, quietContext, Random } from '#base';
import { type CompressionEnvironment, compressModel, type MethodResult, methods, parseRecipe, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import {
  buildLogitsGraph,
  checkModel,
  denseParameter,
  initializeModel,
  keptCount,
  type Model,
  materializeParameter,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  slotOnHost,
} from '#models';
import { castTensor, type HostTensor, toNumbers } from '#tensor';
import { runGraph } from '../models/tiny-models.ts';
import { frobenius } from './matrices.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
afterAll(() => engine.dispose());
const calibration = new WindowCalibration(engine, tinyWindows());
const model = tinyModel();
const wide = 'h.0.mlp.fc.weight'; // [16, 32]
const inBlocks = [...parameterSpecs(model).values()].filter(({ role, block }) => role === 'linear' && block !== undefined);

function prune(
  settings: object,
  which: Model = model,
  environment: Partial<CompressionEnvironment> = { calibration },
  context = quietContext,
): Promise<MethodResult> {
  return methods['prune']!.step(settings, 'prune').apply(which, { engine, ...environment }, context);
}

async function compressed(steps: readonly object[], which: Model = model): Promise<Model> {
  return (await compressModel(which, parseRecipe({ steps }, methods), { engine, calibration }, quietContext)).model;
}

function zerosOf(which: Model, path: string): number {
  return materializeParameter(which, path).data.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
}

/** W [in, out] as columns of inputs: one array an output. */
function outputsOf(which: Model, path: string): number[][] {
  const { data, shape } = materializeParameter(which, path);
  const [inputs = 0, outputs = 0] = shape;
  return Array.from({ length: outputs }, (_, output) => Array.from({ length: inputs }, (__, input) => data[input * outputs + output]!));
}

function materialized(which: Model): Model {
  return replaceParameters(
    which,
    [...which.parameters.keys()].map((path) => denseParameter(path, materializeParameter(which, path))),
  );
}

async function logitsOf(which: Model): Promise<Float64Array> {
  let tokens: HostTensor | undefined;
  for await (const window of tinyWindows(1)()) tokens = window;
  const { logits } = await runGraph(buildLogitsGraph(which, { batch: 2, length: 12 }), which, { tokens: tokens! });
  return Float64Array.from(toNumbers(logits!));
}

function distance(first: ArrayLike<number>, second: ArrayLike<number>): number {
  return frobenius(Float64Array.from(first, (value, index) => value - second[index]!)) / frobenius(second);
}

const each = ['magnitude', 'wanda', 'sparsegpt'];

describe('a pruned model', () => {
  it.each(each)('has exactly the zeros asked for in every matrix by %s, on every architecture', async (method) => {
    for (const config of [gpt2Config, llamaConfig])
      for (const sparsity of [0.29, 0.5, 0.75]) {
        const { model: after } = await prune({ method, sparsity }, tinyModel(config));
        checkModel(after);
        for (const { path, shape, role, block } of parameterSpecs(after).values()) {
          if (role !== 'linear' || block === undefined) continue;
          const [inputs = 0, outputs = 0] = shape;
          const perRow = Math.floor(sparsity * inputs + 1e-9);
          if (method === 'wanda') for (const row of outputsOf(after, path)) expect(row.filter((value) => value === 0).length).toBe(perRow);
          else expect(zerosOf(after, path)).toBe(Math.floor(sparsity * inputs * outputs + 1e-9));
          const zeros = method === 'wanda' ? perRow * outputs : zerosOf(after, path);
          expect(keptCount(after.parameters.get(path)!, 'value')).toBe(inputs * outputs - zeros);
        }
        expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
      }
  });

  it.each(each.flatMap((method) => ['2:4', '4:8'].map((pattern) => [pattern, method] as const)))(
    'has exactly the zeros of the pattern %s in every group of inputs by %s',
    async (pattern, method) => {
      const group = pattern === '2:4' ? 4 : 8;
      const { model: after } = await prune({ method, pattern });
      for (const { path } of inBlocks)
        for (const row of outputsOf(after, path))
          for (let start = 0; start < row.length; start += group)
            expect(row.slice(start, start + group).filter((value) => value === 0).length).toBe(group / 2);
    },
  );

  it('keeps the largest weights as they are by magnitude', async () => {
    const { model: after } = await prune({ sparsity: 0.5 });
    const [before, made] = [materializeParameter(model, wide).data, materializeParameter(after, wide).data];
    const kept = before.filter((_, index) => made[index] !== 0).map(Math.abs);
    const gone = before.filter((_, index) => made[index] === 0).map(Math.abs);
    expect(Math.min(...kept)).toBeGreaterThanOrEqual(Math.max(...gone));
    expect(made.every((value, index) => value === 0 || value === before[index])).toBe(true);
  });

  it('compares all matrices with each other when the scope is global', async () => {
    const { model: after } = await prune({ sparsity: 0.5, scope: 'global' });
    const before = inBlocks.flatMap(({ path }) => [...materializeParameter(model, path).data]);
    const made = inBlocks.flatMap(({ path }) => [...materializeParameter(after, path).data]);
    expect(made.filter((value) => value === 0).length).toBe(before.length / 2);
    const kept = before.filter((_, index) => made[index] !== 0).map(Math.abs);
    const gone = before.filter((_, index) => made[index] === 0).map(Math.abs);
    expect(kept.reduce((least, value) => Math.min(least, value))).toBeGreaterThanOrEqual(
      gone.reduce((most, value) => Math.max(most, value)),
    );
    expect(new Set(inBlocks.map(({ path, shape }) => zerosOf(after, path) / (shape[0]! * shape[1]!))).size).toBeGreaterThan(1);
  });

  it('compares what the scope says: rows with Wanda, matrices otherwise', async () => {
    const rowCounts = async (settings: object): Promise<number> => {
      const { model: after } = await prune({ sparsity: 0.5, include: [wide], ...settings });
      expect(zerosOf(after, wide)).toBe(256);
      return new Set(outputsOf(after, wide).map((row) => row.filter((value) => value === 0).length)).size;
    };
    expect(await rowCounts({ method: 'wanda' })).toBe(1);
    expect(await rowCounts({ method: 'wanda', scope: 'layer' })).toBeGreaterThan(1);
    expect(await rowCounts({ scope: 'row' })).toBe(1);
    expect(await rowCounts({})).toBeGreaterThan(1);
  });

  it('stores a bit a weight and the weights that stay, and says that nothing runs faster', async () => {
    const { model: after, report } = await prune({ sparsity: 0.75, include: [wide] });
    // 512 weights: 64 bytes of bitmap, 128 float32.
    expect(report.bytesAfter).toBe(64 + 4 * 128);
    expect(parameterCounts(after).storedBytes).toBe(parameterCounts(model).storedBytes - 4 * 512 + 64 + 4 * 128);
    expect(report.note).toMatch(/latency and device memory are those of the model before/);
    expect(report.layers[0]).toMatchObject({ kindBefore: 'dense', kindAfter: 'dense, 75.0 % zeros' });
  });

  it.each(each)('stores no more than the ratio asked for by %s, and hardly less', async (method) => {
    for (const ratio of [0.75, 0.5, 0.25]) {
      const { report } = await prune({ method, ratio });
      for (const { bytesBefore, bytesAfter } of report.layers) {
        expect(bytesAfter).toBeLessThanOrEqual(ratio * bytesBefore);
        expect(bytesAfter).toBeGreaterThan((ratio - 0.07) * bytesBefore);
      }
    }
    const { report } = await prune({ ratio: 0.5, scope: 'global' });
    expect(report.bytesAfter).toBeLessThanOrEqual(0.5 * report.bytesBefore);
    expect(report.bytesAfter).toBeGreaterThan(0.49 * report.bytesBefore);
  });

  it('says where zeros cost more than they save', async () => {
    const { report } = await prune({ sparsity: 0.02, include: [wide] });
    expect(report.layers[0]!.note).toMatch(/stores more than before/);
    const { model: after, report: none } = await prune({ sparsity: 0.001, include: [wide] });
    expect(none.layers[0]).toMatchObject({ kindAfter: 'dense', note: expect.stringMatching(/kept as it is/) });
    expect(after.parameters.get(wide)).toBe(model.parameters.get(wide));
  });

  it('loses least of the outputs by SparseGPT, then by Wanda', async () => {
    const mean = async (method: string): Promise<number> => {
      const { report } = await prune({ method, sparsity: 0.5, sequential: false });
      return report.layers.reduce((sum, { outputError }) => sum + outputError!, 0) / report.layers.length;
    };
    expect(await mean('sparsegpt')).toBeLessThan(await mean('wanda'));
  });

  it('keeps its element type', async () => {
    const value = castTensor(model.parameters.get(wide)!.tensors['value']!, 'float16');
    const half = replaceParameters(model, [denseParameter(wide, value)]);
    for (const method of each) {
      const { model: after, report } = await prune({ method, sparsity: 0.5, include: [wide] }, half);
      expect(after.parameters.get(wide)!.tensors['value.values']!.dtype).toBe('float16');
      expect(report.bytesAfter).toBe(64 + 2 * 256);
    }
  });

  it('prunes embeddings by magnitude and says so', async () => {
    const { report } = await prune({ method: 'wanda', sparsity: 0.5, include: ['embed.*', wide] });
    expect(report.layers.find(({ path }) => path === 'embed.token.weight')!.note).toMatch(/by magnitude: its inputs are not known/);
    expect(report.layers.find(({ path }) => path === wide)!.note).toBeUndefined();
  });
});

describe('sequential calibration', () => {
  it('sees the inputs that the pruned earlier blocks make, and changes nothing in the first', async () => {
    const sequential = await prune({ method: 'wanda', sparsity: 0.5, sequential: true });
    const parallel = await prune({ method: 'wanda', sparsity: 0.5, sequential: false });
    const same = (path: string): boolean =>
      distance(materializeParameter(sequential.model, path).data, materializeParameter(parallel.model, path).data) === 0;
    for (const { path, block } of inBlocks) if (block === 0) expect(same(path)).toBe(true);
    expect(inBlocks.some(({ path, block }) => block === 1 && !same(path))).toBe(true);
    // The second block calibrated on the model whose first is pruned.
    const first = inBlocks.filter(({ block }) => block === 0).map(({ path }) => sequential.model.parameters.get(path)!);
    const rest = await prune({ method: 'wanda', sparsity: 0.5, include: ['h.1.*'] }, replaceParameters(model, first));
    for (const { path, block } of inBlocks)
      if (block === 1) expect(rest.model.parameters.get(path)).toEqual(sequential.model.parameters.get(path));
  });

  it('goes on where a stopped run was, to the same weights', async () => {
    const settings = { method: 'sparsegpt', sparsity: 0.5, sequential: true };
    const whole = await prune(settings);
    const kept = new Map<string, Parameters<NonNullable<CompressionEnvironment['memory']>['remember']>[1]>();
    const memory = {
      recall: async (key: string) => kept.get(key),
      remember: async (key: string, finished: NonNullable<ReturnType<typeof kept.get>>) => void kept.set(key, finished),
    };
    for (const stopAt of [2, 5]) {
      const stop = new AbortController();
      const context: OperationContext = {
        signal: stop.signal,
        report: ({ phase, step }) => phase === 'prune' && step === stopAt && stop.abort(),
      };
      await expect(prune(settings, model, { calibration, memory }, context)).rejects.toThrow(/cancelled/);
      expect(kept.size).toBe(stopAt);
    }
    const seen: (number | undefined)[] = [];
    const report = ({ phase, step }: Progress): void => void (phase === 'prune' && seen.push(step));
    const resumed = await prune(settings, model, { calibration, memory }, { ...quietContext, report });
    expect([...resumed.model.parameters]).toEqual([...whole.model.parameters]);
    expect(resumed.report).toEqual(whole.report);
    expect(seen).toEqual(inBlocks.map((_, index) => index + 1));
  });
});

describe('composition', () => {
  const rank8 = { lowRank: { rank: 8 } };

  it.each(each)('of low rank and zeros in both factors by %s', async (method) => {
    for (const config of [gpt2Config, llamaConfig]) {
      const before = await compressed([rank8], tinyModel(config));
      const after = await compressed([{ prune: { method, sparsity: 0.5 } }], before);
      checkModel(after);
      for (const [path, parameter] of after.parameters) {
        if (parameter.kind !== 'lowRank') continue;
        const spec = parameterSpecs(after).get(path)!;
        for (const slot of ['left', 'right']) {
          const numbers = toNumbers(slotOnHost(spec, parameter, slot));
          expect(numbers.filter((value) => value === 0).length).toBe(numbers.length / 2);
        }
      }
      expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
    }
  });

  it('of Kronecker factors and zeros', async () => {
    const after = await compressed([{ kronecker: { ratio: 0.5 } }, { prune: { method: 'wanda', sparsity: 0.5 } }]);
    checkModel(after);
    const parameter = after.parameters.get(wide)!;
    expect(parameter.kind).toBe('kronecker');
    expect(Object.keys(parameter.tensors)).toEqual(expect.arrayContaining(['outer.mask', 'outer.values', 'inner.mask', 'inner.values']));
    expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
  });

  it('of zeros and any factorization, which makes the matrix whole first', async () => {
    for (const step of [rank8, { kronecker: { ratio: 0.5 } }, { kronecker: { ratio: 0.5, include: ['h.*.mlp.fc.weight'] } }]) {
      const after = await compressed([{ prune: { sparsity: 0.5 } }, step]);
      checkModel(after);
      expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
    }
  });

  it.each(each)('of zeros and more zeros by %s, where those of before stay', async (method) => {
    const once = await compressed([{ prune: { pattern: '2:4' } }]);
    const twice = await compressed([{ prune: { method, sparsity: 0.75 } }], once);
    const [before, made] = [materializeParameter(once, wide).data, materializeParameter(twice, wide).data];
    expect(made.every((value, index) => before[index] !== 0 || value === 0)).toBe(true);
    expect(zerosOf(twice, wide)).toBe(384);
    const back = await compressed([{ prune: { method, sparsity: 0.25 } }], once);
    expect(zerosOf(back, wide)).toBe(256);
  });

  const codes = [8, 4, 3, 2].flatMap((bits) =>
    ['rtn', 'gptq', 'awq'].flatMap((method) => [true, false].map((symmetric) => ({ bits, method, symmetric, groupSize: 16 }))),
  );
  it.each(codes)('of zeros and codes that keep them: $bits bits by $method, symmetric $symmetric', async (quantize) => {
    const pruned = await compressed([{ prune: { method: 'sparsegpt', sparsity: 0.5 } }]);
    const after = await compressed([{ quantize }], pruned);
    checkModel(after);
    const [before, made] = [materializeParameter(pruned, wide).data, materializeParameter(after, wide).data];
    expect(made.every((value, index) => before[index] !== 0 || value === 0)).toBe(true);
    expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
  });

  it('of zeros and half-precision numbers', async () => {
    const after = await compressed([{ prune: { sparsity: 0.5 } }, { quantize: { bits: 16 } }]);
    const { tensors } = after.parameters.get(wide)!;
    expect(tensors['value.values']!.dtype).toBe('float16');
    expect(tensors['value.mask']!.dtype).toBe('uint8');
    expect(zerosOf(after, wide)).toBe(256);
  });

  it('leaves very sparse matrices out of codes that would store more, and refuses codes before zeros', async () => {
    const after = await compressed([{ prune: { sparsity: 0.95 } }, { quantize: { bits: 8, groupSize: 16 } }]);
    expect(keptCount(after.parameters.get(wide)!, 'value')).toBe(512 - 486);
    await expect(compressed([{ quantize: { bits: 8, groupSize: 16 } }, { prune: { sparsity: 0.5 } }])).rejects.toThrow(/already_quantized/);
  });
});

describe('what is refused', () => {
  it.each([
    [{}, /prune: needs exactly one of sparsity and ratio, got 0/],
    [{ sparsity: 0.5, ratio: 0.5 }, /exactly one of sparsity and ratio, got 2/],
    [{ sparsity: 0 }, /prune\.sparsity: sparsity must be above 0/],
    [{ sparsity: 1 }, /prune\.sparsity: sparsity must be below 1/],
    [{ ratio: 1.2 }, /prune\.ratio: ratio must be below 1/],
    [{ pattern: '2:4', sparsity: 0.6 }, /prune\.sparsity: the pattern 2:4 makes half of the weights zero/],
    [{ pattern: '4:8', ratio: 0.5 }, /prune\.ratio: the pattern 4:8 says how much stays/],
    [{ pattern: '1:4' }, /prune\.pattern/],
    [{ pattern: '2:4', scope: 'global' }, /prune\.scope: the pattern 2:4/],
    [{ sparsity: 0.5, scope: 'global', method: 'wanda' }, /prune\.scope: "wanda" cannot compare weights of several matrices/],
    [{ sparsity: 0.5, scope: 'row', method: 'sparsegpt' }, /prune\.scope: "sparsegpt" compares weights within blocks/],
    [{ sparsity: 0.5, sequential: true }, /prune\.sequential: "magnitude" looks at no inputs/],
    [{ sparsity: 0.5, method: 'wandas' }, /prune\.method/],
    [{ sparsty: 0.5 }, /prune\.sparsty.*"sparsity"/],
  ])('settings %j', (settings, message) => {
    expect(() => methods['prune']!.step(settings, 'prune')).toThrow(message);
    expect(() => methods['prune']!.step(settings, 'prune')).toThrow(expect.objectContaining({ code: 'bad_recipe' }));
  });

  it('inputs that are not whole groups', async () => {
    const odd = initializeModel({ ...gpt2Config, width: 12, heads: 2, feedForwardWidth: 20 }, new Random(1), 0.3);
    await expect(prune({ pattern: '4:8' }, odd)).rejects.toThrow(
      /does_not_factor.*h\.0\.attn\.qkv\.weight.*12 inputs are not groups of 8/s,
    );
    await prune({ pattern: '2:4' }, odd);
  });

  it('a ratio that leaves nothing beside the bitmap', async () => {
    await expect(prune({ ratio: 0.03 })).rejects.toThrow(/bad_recipe.*0\.03 of the \d+ bytes of h\.0\.attn\.qkv\.weight.*Keep more than/s);
  });

  it('calibrated methods without text, and patterns of nothing', async () => {
    for (const method of ['wanda', 'sparsegpt']) {
      await expect(prune({ method, sparsity: 0.5 }, model, {})).rejects.toThrow(/not_enough_samples.*no calibration text/);
      expect(methods['prune']!.step({ method, sparsity: 0.5 }, 'p').needsCalibration).toBe(true);
    }
    expect(methods['prune']!.step({ sparsity: 0.5 }, 'p').needsCalibration).toBe(false);
    const empty = new WindowCalibration(engine, tinyWindows(0));
    await expect(prune({ method: 'wanda', sparsity: 0.5 }, model, { calibration: empty })).rejects.toThrow(/not_enough_samples/);
    await expect(prune({ sparsity: 0.5, include: ['nothing'] })).rejects.toThrow(/pattern_matches_nothing/);
  });

  it('weights that are not finite', async () => {
    const value = castTensor(model.parameters.get(wide)!.tensors['value']!, 'float32');
    const broken = replaceParameters(model, [denseParameter(wide, { ...value, data: value.data.with(3, Number.NaN) })]);
    for (const scope of ['layer', 'global'])
      await expect(prune({ sparsity: 0.5, scope }, broken)).rejects.toThrow(/bad_weights.*h\.0\.mlp\.fc/);
  });
});

describe('a run', () => {
  it('reports every matrix once, with errors and bytes', async () => {
    const seen: Progress[] = [];
    const context: OperationContext = { ...quietContext, report: (progress) => seen.push(progress) };
    const { report } = await prune({ method: 'sparsegpt', sparsity: 0.5 }, model, { calibration }, context);
    const steps = seen.filter(({ phase }) => phase === 'prune');
    expect(steps.map(({ step, total, item }) => [step, total, item])).toEqual(
      report.layers.map(({ path }, index) => [index + 1, report.layers.length, path]),
    );
    for (const layer of report.layers) {
      expect(layer.weightError).toBeGreaterThan(0.01);
      expect(layer.outputError).toBeGreaterThan(0.001);
    }
  });

  it.each(each)('stops when it is told to and leaves no buffers behind: %s', async (method) => {
    const before = engine.counters().buffers;
    const stop = new AbortController();
    const context: OperationContext = { signal: stop.signal, report: ({ phase, step }) => phase === 'prune' && step === 2 && stop.abort() };
    await expect(prune({ method, sparsity: 0.5 }, model, { calibration }, context)).rejects.toThrow(/cancelled/);
    expect(engine.counters().buffers).toBe(before);
  });
});
