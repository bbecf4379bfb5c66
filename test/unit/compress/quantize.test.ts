// The quantization method: what is stored, what the model then computes, what composes with what, and what is refused.
import { afterAll, describe, expect, it } from 'vitest';
import { type OperationContext, type Progress, quietContext } from '#base';
import { type CompressionEnvironment, compressModel, type MethodResult, methods, parseRecipe, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import {
  buildLogitsGraph,
  checkModel,
  denseParameter,
  isEncoded,
  type Model,
  materializeParameter,
  type Parameter,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  storedTensors,
  trainableNames,
} from '#models';
import { castTensor, float32, type HostTensor, tensorBytes, toNumbers } from '#tensor';
import type { FinishedLayer, LayerMemory } from '../../../src/compress/method.ts';
import { chooseFeeds, scaleChannels } from '../../../src/compress/quantize/channel-scales.ts';
import { smoothingScales, smoothModel } from '../../../src/compress/quantize/smooth.ts';
import { runGraph } from '../models/tiny-models.ts';
import { frobenius } from './matrices.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
afterAll(() => engine.dispose());
const calibration = new WindowCalibration(engine, tinyWindows());
const model = tinyModel();

function quantize(
  settings: object,
  which: Model = model,
  environment: Partial<CompressionEnvironment> = { calibration },
  context = quietContext,
): Promise<MethodResult> {
  return methods['quantize']!.step(settings, 'quantize').apply(which, { engine, ...environment }, context);
}

async function compressed(steps: readonly object[], which: Model = model): Promise<Model> {
  return (await compressModel(which, parseRecipe({ steps }, methods), { engine, calibration }, quietContext)).model;
}

/** The same numbers, all dense. */
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

const everything = { include: ['*'], groupSize: 16 };
const wide = 'h.0.mlp.fc.weight';

describe('a quantized model', () => {
  const settings = [8, 4, 3, 2].flatMap((bits) => [
    { bits, ...everything },
    { bits, ...everything, symmetric: bits !== 8 },
    { bits, ...everything, method: 'gptq' },
    { bits, ...everything, method: 'awq' },
  ]);

  it.each(settings)('computes with the numbers that it stands for: $bits bits, $method, symmetric $symmetric', async (each) => {
    for (const config of [gpt2Config, llamaConfig]) {
      const { model: after } = await quantize(each, tinyModel(config));
      checkModel(after);
      expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
    }
  });

  it.each([
    [8, 0.05],
    [4, 0.5],
  ])('is near the model that it was made of at %i bits', async (bits, limit) => {
    const { model: after } = await quantize({ bits, ...everything });
    expect(distance(await logitsOf(after), await logitsOf(model))).toBeLessThan(limit);
  });

  it('stores less by the formula, and names its tensors after what they hold', async () => {
    const { model: after, report } = await quantize({ bits: 4, groupSize: 16, include: [wide] });
    // [16, 32]: 32 rows of one group: 8 bytes of codes, 2 of scale, 1 with the zero point.
    expect(report.bytesAfter).toBe(32 * 11);
    expect(parameterCounts(after).storedBytes).toBe(parameterCounts(model).storedBytes - 4 * 16 * 32 + 32 * 11);
    const names = [...storedTensors(after).keys()].filter((name) => name.startsWith(wide));
    expect(names).toEqual([`${wide}.codes`, `${wide}.scales`, `${wide}.zeroPoints`]);
    expect(after.parameters.get(wide)!.settings).toEqual({ 'value.bits': 4, 'value.groupSize': 16, 'value.symmetric': false });
  });

  it('has zero points below 8 bits unless told otherwise', async () => {
    const has = async (settings: object): Promise<boolean> => {
      const { model: after } = await quantize({ ...settings, groupSize: 16 });
      return after.parameters.get(wide)!.tensors['value.zeroPoints'] !== undefined;
    };
    expect(await has({ bits: 8 })).toBe(false);
    expect(await has({ bits: 8, symmetric: false })).toBe(true);
    expect(await has({ bits: 4 })).toBe(true);
    expect(await has({ bits: 4, symmetric: true })).toBe(false);
  });

  it('trains what is not in codes', async () => {
    const { model: after } = await quantize({ bits: 4, groupSize: 16 });
    const names = trainableNames(after);
    expect(names).toContain('h.0.ln1.weight');
    expect(names).toContain('embed.token.weight');
    expect(names.some((name) => name.startsWith(wide))).toBe(false);
  });

  it('holds embeddings and the head only where a pattern asks for it', async () => {
    const { model: inside } = await quantize({ bits: 4, groupSize: 16 }, tinyModel(llamaConfig));
    expect([...inside.parameters.values()].filter(isEncoded).every(({ path }) => path.startsWith('h.'))).toBe(true);
    const { model: head } = await quantize({ bits: 8, groupSize: 16, include: ['head.weight'] }, tinyModel(llamaConfig));
    expect([...head.parameters.values()].filter(isEncoded).map(({ path }) => path)).toEqual(['head.weight']);
  });

  it('takes blocks, embeddings and the head each in a step of its own', async () => {
    const after = await compressed(
      [
        { quantize: { bits: 4, groupSize: 16, method: 'gptq' } },
        { quantize: { bits: 8, groupSize: 16, include: ['embed.*'] } },
        { quantize: { method: 'static', include: ['head.weight'] } },
      ],
      tinyModel(llamaConfig),
    );
    const settingsOf = (path: string): object => after.parameters.get(path)!.settings;
    expect(settingsOf('h.1.mlp.down.weight')).toMatchObject({ 'value.bits': 4 });
    expect(settingsOf('embed.token.weight')).toEqual({ 'value.bits': 8, 'value.groupSize': 16, 'value.symmetric': true });
    expect(settingsOf('head.weight')).toMatchObject({ 'value.activations': 'static' });
    expect(after.parameters.get('head.weight')!.tensors).toHaveProperty(['value.inputScale']);
    expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(0.05);
  });

  it('is a change of type at 16 bits', async () => {
    const { model: after, report } = await quantize({ bits: 16 });
    expect(after.parameters.get(wide)!.tensors['value']!.dtype).toBe('float16');
    expect(report.bytesAfter).toBe(report.bytesBefore / 2);
    expect(distance(await logitsOf(after), await logitsOf(model))).toBeLessThan(0.01);
    const { report: again } = await quantize({ bits: 16 }, after);
    expect(again.layers.every(({ note }) => note?.startsWith('kept as it is'))).toBe(true);
  });
});

const integers = [
  { method: 'dynamic' },
  { method: 'dynamic', perChannel: false },
  { method: 'static' },
  { method: 'static', perChannel: false },
  { method: 'static', calibration: 'percentile', percentile: 99.9 },
  { method: 'static', calibration: 'entropy' },
  { method: 'smoothquant' },
  { method: 'smoothquant', activations: 'static', alpha: 0.8 },
];
const fewest = [{ scheme: 'ternary' }, { scheme: 'ternary', threshold: 'absmean' }, { scheme: 'binary' }];

describe('products in integers', () => {
  it.each(integers)('are near the model that they were made of: %j', async (settings) => {
    for (const config of [gpt2Config, llamaConfig]) {
      const before = tinyModel(config);
      const { model: after } = await quantize({ ...settings, include: ['*'] }, before);
      checkModel(after);
      expect([...after.parameters.values()].filter(isEncoded).map(({ path }) => path)).toContain('h.0.attn.out.weight');
      // Entropy cuts the tails of 24 tokens' worth of numbers; the others keep nearly all.
      expect(distance(await logitsOf(after), await logitsOf(before))).toBeLessThan(settings.calibration === 'entropy' ? 0.3 : 0.08);
    }
  });

  it('are nearer with a scale for each output than with one', async () => {
    const errorOf = async (settings: object): Promise<number> => {
      const { report } = await quantize({ method: 'dynamic', ...settings });
      return report.layers.reduce((sum, { weightError }) => sum + weightError, 0);
    };
    expect(await errorOf({})).toBeLessThan(await errorOf({ perChannel: false }));
  });

  it('store a byte a weight, and what they are rounded by', async () => {
    const { model: dynamic, report } = await quantize({ method: 'dynamic', include: [wide] });
    expect(report.bytesAfter).toBe(16 * 32 + 2 * 32);
    const { settings, tensors } = dynamic.parameters.get(wide)!;
    expect(settings).toEqual({ 'value.bits': 8, 'value.activations': 'dynamic', 'value.perChannel': true });
    expect(Object.keys(tensors)).toEqual(['value.codes', 'value.scales']);
    expect(tensors['value.codes']).toMatchObject({ dtype: 'int8', shape: [32, 16] });
    const { model: fixed, report: of } = await quantize({ method: 'static', perChannel: false, include: [wide] });
    expect(of.bytesAfter).toBe(16 * 32 + 2 + 4 + 1);
    expect(fixed.parameters.get(wide)!.tensors).toHaveProperty(['value.inputZeroPoint']);
    expect(of.layers[0]!.kindAfter).toBe('dense, int8 static');
  });

  it('round the inputs of a tied head too, and leave tables that are looked up only as tables', async () => {
    const { model: after, report } = await quantize({ method: 'static', include: ['embed.*'] });
    expect(after.parameters.get('embed.token.weight')!.settings['value.activations']).toBe('static');
    expect(after.parameters.get('embed.position.weight')!.settings['value.activations']).toBe('dynamic');
    const notes = new Map(report.layers.map(({ path, note }) => [path, note]));
    expect(notes.get('embed.position.weight')).toMatch(/activations stay floats/);
    expect(notes.get('embed.token.weight')).toBeUndefined();
    // The table itself is rounded like the head: what is looked up is what it stands for.
    expect(distance(await logitsOf(after), await logitsOf(model))).toBeLessThan(0.05);
  });

  it('train what is not in codes, through them', async () => {
    const { model: after } = await quantize({ method: 'dynamic' });
    expect(trainableNames(after)).toContain('h.0.ln1.weight');
    expect(trainableNames(after).some((name) => name.startsWith(wide))).toBe(false);
  });

  it('refuse inputs that are zero on all of the text', async () => {
    const norm = model.parameters.get('h.0.ln2.weight')!;
    const bias = model.parameters.get('h.0.ln2.bias')!;
    const zeros = (each: Parameter): Parameter => denseParameter(each.path, float32([16], new Float32Array(16)));
    const dead = replaceParameters(model, [zeros(norm), zeros(bias)]);
    await expect(quantize({ method: 'static' }, dead)).rejects.toThrow(/not_enough_samples.*h\.0\.mlp\.fc\.weight/);
    const { report } = await quantize({ method: 'smoothquant' }, dead);
    expect(report.layers.find(({ path }) => path === wide)!.note).toMatch(/16 channels that are zero/);
  });
});

describe('smoothing and scaling of channels', () => {
  it.each([
    ['gpt2', gpt2Config],
    ['llama', llamaConfig],
    ['llama with a key-value head a query head', { ...llamaConfig, keyValueHeads: 4, attentionBias: true, feedForwardBias: true }],
    ['gpt2 with a head of its own', { ...gpt2Config, tiedHead: false }],
  ])('leaves the function as it is: %s', async (_, config) => {
    const before = withBiases(tinyModel(config));
    const paths = [...parameterSpecs(before).values()].filter(({ role }) => role === 'linear').map(({ path }) => path);
    const smooth = await smoothModel(before, paths, 0.5, calibration, quietContext);
    expect(smooth.folded.size).toBeGreaterThan(0);
    expect(distance(await logitsOf(smooth.model), await logitsOf(before))).toBeLessThan(1e-5);
    expect(smooth.model.parameters.get(paths[0]!)).not.toEqual(before.parameters.get(paths[0]!));
    // All that the architecture allows at once, by scales that no method would choose.
    const { feeds } = chooseFeeds(before, new Set(paths), true);
    expect(feeds.some(({ source }) => source !== undefined)).toBe(true);
    const scaled = feeds.reduce(
      (made, feed) =>
        scaleChannels(
          made,
          feed,
          Float64Array.from({ length: sizeOfFeed(before, feed.readers[0]!) }, (_, j) => 0.3 + (j % 5)),
        ),
      before,
    );
    expect(distance(await logitsOf(scaled), await logitsOf(before))).toBeLessThan(1e-5);
  });

  it('leaves weights alone that another block borrows', () => {
    const qkv = 'h.0.attn.qkv.weight';
    const borrower: Parameter = { path: 'h.1.attn.qkv.weight', kind: 'shared', settings: { of: qkv }, tensors: {} };
    const shared = replaceParameters(model, [borrower]);
    const { feeds, reasons } = chooseFeeds(shared, new Set(model.parameters.keys()), false);
    expect(feeds.map(({ maker }) => maker)).toEqual(['h.0.ln2', 'h.1.ln2']);
    expect(reasons.get(qkv)).toMatch(/h\.0\.attn\.qkv\.weight cannot be scaled/);
  });

  it('chooses scales by the formula', () => {
    const scales = smoothingScales(Float64Array.of(4, 1, 0, 1e-30), Float64Array.of(1, 16, 2, 1e10), 0.5);
    expect([...scales]).toEqual([2, 0.25, 1, 1e-5]);
  });

  it('is left out, with a note, where an input is not the result of a norm or another layer shares it', async () => {
    const { report } = await quantize({ method: 'smoothquant', exclude: ['*.k.weight'] }, tinyModel(llamaConfig));
    const notes = new Map(report.layers.map(({ path, note }) => [path, note]));
    expect(notes.get('h.0.attn.q.weight')).toMatch(/not smoothed: h\.0\.attn\.k\.weight/);
    expect(notes.get('h.0.attn.out.weight')).toMatch(/not smoothed: its input is not the result of a norm alone/);
    expect(notes.get('h.0.mlp.up.weight')).toBe('smoothed by h.0.norm2');
  });

  it('loses far less than plain integers where a channel is an outlier', async () => {
    const gain = model.parameters.get('h.0.ln2.weight')!.tensors['value']!;
    const outlier = replaceParameters(model, [
      denseParameter(
        'h.0.ln2.weight',
        float32(
          [16],
          Float32Array.from(toNumbers(gain), (value, j) => (j === 3 ? 200 * value : value)),
        ),
      ),
      denseParameter(wide, shrunkRow(model.parameters.get(wide)!, 3, 200)),
    ]);
    const wanted = await logitsOf(outlier);
    const lossOf = async (settings: object): Promise<number> =>
      distance(await logitsOf((await quantize({ ...settings, include: [wide] }, outlier)).model), wanted);
    for (const activations of ['dynamic', 'static'] as const)
      expect(await lossOf({ method: 'smoothquant', activations })).toBeLessThan(0.25 * (await lossOf({ method: activations })));
  });

  it('stores no vector of scales where AWQ can put them into a norm or the layer before', async () => {
    const kept = (after: Model): string[] =>
      [...after.parameters.values()].filter(({ tensors }) => 'value.inputScales' in tensors).map(({ path }) => path);
    const { model: gpt2 } = await quantize({ bits: 3, groupSize: 16, method: 'awq' });
    expect(kept(gpt2).every((path) => path.endsWith('mlp.proj.weight'))).toBe(true);
    const { model: llama } = await quantize({ bits: 3, groupSize: 16, method: 'awq' }, tinyModel(llamaConfig));
    expect(kept(llama).every((path) => path.endsWith('attn.out.weight'))).toBe(true);
  });

  function sizeOfFeed(which: Model, reader: string): number {
    return parameterSpecs(which).get(reader)!.shape[0]!;
  }

  /** Biases of a new model are zero, which any scale leaves alone. */
  function withBiases(which: Model): Model {
    const biases = [...parameterSpecs(which).values()].filter(({ path }) => path.endsWith('.bias'));
    return replaceParameters(
      which,
      biases.map(({ path, shape }) =>
        denseParameter(
          path,
          float32(
            shape,
            Float32Array.from({ length: shape[0]! }, (_, j) => Math.sin(j + 1)),
          ),
        ),
      ),
    );
  }

  function shrunkRow({ tensors }: Parameter, row: number, factor: number): HostTensor {
    const { shape, data } = castTensor(tensors['value']!, 'float32');
    return float32(
      shape,
      data.map((value, index) => (Math.floor(index / shape[1]!) === row ? value / factor : value)),
    );
  }
});

describe('ternary and binary weights', () => {
  it.each(fewest)('compute with the numbers that they stand for: %j', async (settings) => {
    for (const config of [gpt2Config, llamaConfig]) {
      const { model: after } = await quantize({ ...settings, ...everything }, tinyModel(config));
      checkModel(after);
      expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
    }
  });

  it('take 2 bits and 1 bit a weight, and say what they are', async () => {
    const { model: ternary, report } = await quantize({ scheme: 'ternary', groupSize: 16, include: [wide] });
    expect(report.bytesAfter).toBe(32 * (4 + 2));
    expect(report.layers[0]!.kindAfter).toBe('dense, ternary');
    expect(ternary.parameters.get(wide)!.settings).toEqual({ 'value.bits': 2, 'value.scheme': 'ternary', 'value.groupSize': 16 });
    const { report: of } = await quantize({ scheme: 'binary', groupSize: 16, include: [wide] });
    expect(of.bytesAfter).toBe(32 * (2 + 2));
  });
});

describe('calibrated methods', () => {
  it.each(['gptq', 'awq'])('%s reports output errors that are not above those of rounding', async (method) => {
    // Rounding gets its output errors from the same measure, by codes that calibration cannot change.
    const { report } = await quantize({ bits: 3, groupSize: 16, method });
    const { model: rounded } = await quantize({ bits: 3, groupSize: 16 });
    const { report: better } = await quantize({ bits: 3, groupSize: 16, method });
    expect(better.layers).toEqual(report.layers);
    for (const { path, outputError } of report.layers) {
      expect(outputError).toBeGreaterThan(0);
      const ofRounding = await outputErrorOf(rounded, path);
      expect(outputError! / ofRounding).toBeLessThan(1 + 1e-6);
    }
  });

  async function outputErrorOf(after: Model, path: string): Promise<number> {
    const [before, made] = [materializeParameter(model, path).data, materializeParameter(after, path).data];
    const columns = parameterSpecs(model).get(path)!.shape[1]!;
    for await (const { gram, width } of calibration.inputMoments(model, [path], quietContext)) {
      const energyOf = (numbers: ArrayLike<number>): number => {
        let sum = 0;
        for (let i = 0; i < width; i++)
          for (let j = 0; j < width; j++)
            for (let column = 0; column < columns; column++)
              sum += gram[i * width + j]! * numbers[i * columns + column]! * numbers[j * columns + column]!;
        return sum;
      };
      return Math.sqrt(energyOf(before.map((value, index) => value - made[index]!)) / energyOf(before));
    }
    throw new Error('no moments');
  }

  it('need calibration text', async () => {
    await expect(quantize({ bits: 4, method: 'gptq', groupSize: 16 }, model, {})).rejects.toThrow(/not_enough_samples.*gptq/);
    expect(methods['quantize']!.step({ bits: 4, method: 'awq' }, 'q').needsCalibration).toBe(true);
    expect(methods['quantize']!.step({ bits: 4 }, 'q').needsCalibration).toBe(false);
  });

  it('round embeddings, which have no inputs', async () => {
    const { model: after, report } = await quantize({ bits: 4, method: 'gptq', ...everything });
    const layer = report.layers.find(({ path }) => path === 'embed.token.weight')!;
    expect(layer.outputError).toBeUndefined();
    expect(layer.note).toBe('rounded to the nearest: its inputs are not known');
    expect(report.layers.filter(({ note }) => note !== undefined).every(({ path }) => path.startsWith('embed.'))).toBe(true);
    const { model: rounded } = await quantize({ bits: 4, ...everything });
    expect(after.parameters.get('embed.token.weight')).toEqual(rounded.parameters.get('embed.token.weight'));
  });
});

describe('composition', () => {
  const before = { lowRank: { rank: 8, include: ['*'] }, kronecker: { ratio: 0.5, permute: 'none' } };
  const all = [{ bits: 8 }, { bits: 3, method: 'gptq' }, { bits: 3, method: 'awq' }].map((each) => ({ ...each, groupSize: 16 }));

  it.each(Object.keys(before).flatMap((name) => [...all, ...integers, ...fewest].map((settings) => [name, settings] as const)))(
    '%s, then codes: %j',
    async (name, settings) => {
      const step = before[name as keyof typeof before];
      const factored = await compressed([{ [name]: step }], tinyModel(llamaConfig));
      const after = await compressed([{ quantize: settings }], factored);
      checkModel(after);
      expect(parameterCounts(after).storedBytes).toBeLessThan(0.9 * parameterCounts(factored).storedBytes);
      const hasIntegers = 'method' in settings && ['dynamic', 'static', 'smoothquant'].includes(settings.method!);
      const limit =
        hasIntegers && name === 'lowRank' ? ('calibration' in settings && settings.calibration === 'entropy' ? 0.4 : 0.1) : 1e-6;
      expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(limit);
    },
  );

  it('rounds what lies between two factors too', async () => {
    const factored = await compressed([{ lowRank: { rank: 8, include: [wide] } }]);
    const { model: after } = await quantize({ method: 'static', include: [wide] }, factored);
    const { tensors } = after.parameters.get(wide)!;
    expect(Object.keys(tensors)).toEqual(expect.arrayContaining(['left.inputScale', 'right.inputScale']));
    expect(tensors['left.inputScale']).not.toEqual(tensors['right.inputScale']);
  });

  it.each(['rtn', 'gptq', 'awq'])('low rank, then codes of the factors by %s, embeddings too', async (method) => {
    for (const config of [gpt2Config, llamaConfig]) {
      const before = await compressed([{ lowRank: { rank: 8, include: ['*'] } }], tinyModel(config));
      const after = await compressed([{ quantize: { bits: 4, method, ...everything } }], before);
      checkModel(after);
      const parameter = after.parameters.get(`h.0.mlp.${config === gpt2Config ? 'fc' : 'gate'}.weight`)!;
      expect(parameter.kind).toBe('lowRank');
      expect(parameter.settings).toMatchObject({ rank: 8, 'left.bits': 4, 'right.bits': 4 });
      expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
      expect(parameterCounts(after).storedBytes).toBeLessThan(0.5 * parameterCounts(before).storedBytes);
    }
  });

  it('leaves a factor as it is where codes would store more', async () => {
    const after = await compressed([{ lowRank: { rank: 1, include: [wide] } }, { quantize: { bits: 8, include: [wide], groupSize: 16 } }]);
    const { settings, tensors } = after.parameters.get(wide)!;
    // left [16, 1] is one row of 16 numbers; right [1, 32] would be 32 rows of one number and 15 of padding.
    expect(Object.keys(tensors).sort()).toEqual(['left.codes', 'left.scales', 'right']);
    expect(settings).toMatchObject({ rank: 1, 'left.bits': 8 });
    expect(distance(await logitsOf(after), await logitsOf(materialized(after)))).toBeLessThan(1e-6);
  });

  it('refuses a second step on a matrix in codes, and takes one on others', async () => {
    const { model: once } = await quantize({ bits: 4, groupSize: 16 });
    await expect(quantize({ bits: 8, groupSize: 16 }, once)).rejects.toThrow(/already_quantized.*h\.0\.attn\.qkv\.weight.*last step/s);
    await expect(compressed([{ lowRank: { ratio: 0.5 } }], once)).rejects.toThrow(/already_quantized/);
    const { model: twice } = await quantize({ bits: 8, groupSize: 16, include: ['embed.token.weight'] }, once);
    expect(twice.parameters.get('embed.token.weight')!.settings['value.bits']).toBe(8);
    expect(twice.parameters.get(wide)!.settings['value.bits']).toBe(4);
  });
});

describe('what is refused', () => {
  it.each([
    [{ bits: 5 }, /quantize\.bits: must be 16, 8, 4, 3 or 2, got 5/],
    [{}, /quantize\.bits: must be/],
    [{ bits: 4, groupSize: 24 }, /quantize\.groupSize: must be a power of two/],
    [{ bits: 4, groupSize: 8 }, /quantize\.groupSize/],
    [{ bits: 4, method: 'best' }, /quantize\.method/],
    [{ bits: 16, method: 'gptq' }, /quantize\.method: "gptq" chooses codes/],
    [{ bits: 16, symmetric: true }, /quantize\.symmetric/],
    [{ bits: 16, groupSize: 32 }, /quantize\.groupSize: 16 bits has no codes/],
    [{ bits: 4, method: 'dynamic' }, /quantize\.bits: method "dynamic" multiplies in 8-bit integers, got 4/],
    [{ method: 'static', groupSize: 32 }, /quantize\.groupSize.*perChannel/],
    [{ method: 'smoothquant', symmetric: false }, /quantize\.symmetric/],
    [{ bits: 8, perChannel: true }, /quantize\.perChannel: method "rtn" rounds weights only/],
    [{ method: 'dynamic', calibration: 'entropy' }, /quantize\.calibration.*take method "static"/],
    [{ method: 'static', percentile: 99 }, /quantize\.percentile: goes with calibration "percentile"/],
    [{ method: 'static', calibration: 'percentile', percentile: 20 }, /quantize\.percentile/],
    [{ method: 'static', alpha: 0.5 }, /quantize\.alpha: only method "smoothquant"/],
    [{ method: 'smoothquant', alpha: 1.5 }, /quantize\.alpha/],
    [{ method: 'static', activations: 'static' }, /quantize\.activations/],
    [{ scheme: 'ternary', method: 'gptq' }, /quantize\.method: "gptq" chooses codes of whole numbers/],
    [{ scheme: 'binary', bits: 2 }, /quantize\.bits: scheme "binary" has its own codes/],
    [{ scheme: 'binary', threshold: 'twn' }, /quantize\.threshold/],
    [{ bits: 4, groupsize: 32 }, /quantize\.groupsize.*"groupSize"/],
  ])('settings %j', (settings, message) => {
    expect(() => methods['quantize']!.step(settings, 'quantize')).toThrow(message);
  });

  it('groups that are longer than the rows', async () => {
    await expect(quantize({ bits: 8, groupSize: 256, include: [wide] })).rejects.toThrow(
      /does_not_factor.*h\.0\.mlp\.fc\.weight: groups of 256.*rows of 16 numbers.*groupSize to 16/,
    );
  });

  it('integer products and fixed ranges without calibration text', async () => {
    for (const settings of [{ method: 'static' }, { method: 'smoothquant' }]) {
      expect(methods['quantize']!.step(settings, 'q').needsCalibration).toBe(true);
      await expect(quantize(settings, model, {})).rejects.toThrow(/not_enough_samples.*got no calibration text/);
      const empty = new WindowCalibration(engine, tinyWindows(0));
      await expect(quantize(settings, model, { calibration: empty })).rejects.toThrow(/not_enough_samples.*no window/);
    }
    expect(methods['quantize']!.step({ method: 'dynamic' }, 'q').needsCalibration).toBe(false);
  });

  it('weights that are not finite, with the model left as it was', async () => {
    const value = castTensor(model.parameters.get(wide)!.tensors['value']!, 'float32');
    const broken = replaceParameters(model, [denseParameter(wide, { ...value, data: value.data.with(3, Number.NaN) })]);
    await expect(quantize({ bits: 4, groupSize: 16 }, broken)).rejects.toThrow(/bad_weights.*h\.0\.mlp\.fc\.weight/);
    const large = replaceParameters(model, [denseParameter(wide, { ...value, data: value.data.with(3, 1e6) })]);
    await expect(quantize({ bits: 16 }, large)).rejects.toThrow(/bad_weights.*65504/);
  });
});

describe('a run', () => {
  it('reports every matrix once, with errors and bytes', async () => {
    const seen: Progress[] = [];
    const context: OperationContext = { ...quietContext, report: (progress) => seen.push(progress) };
    const { report } = await quantize({ bits: 4, groupSize: 16, method: 'gptq' }, model, { calibration }, context);
    const steps = seen.filter(({ phase }) => phase === 'quantize');
    expect(steps.map(({ step }) => step)).toEqual(report.layers.map((_, index) => index + 1));
    expect(steps.every(({ total }) => total === report.layers.length)).toBe(true);
    expect(new Set(steps.map(({ item }) => item))).toEqual(new Set(report.layers.map(({ path }) => path)));
    for (const layer of report.layers) {
      expect(layer).toMatchObject({ kindBefore: 'dense', kindAfter: 'dense, 4 bits' });
      expect(layer.weightError).toBeGreaterThan(0.01);
      expect(layer.bytesAfter).toBeLessThan(layer.bytesBefore / 4);
    }
    expect(tensorBytes(model.parameters.get(wide)!.tensors['value']!)).toBe(4 * 16 * 32);
  });

  it.each([
    { bits: 3, groupSize: 16, method: 'gptq' },
    { bits: 3, groupSize: 16, method: 'awq' },
    { method: 'smoothquant', activations: 'static' },
  ])('goes on where it was stopped, to the same weights: %j', async (settings) => {
    const { model: atOnce } = await quantize(settings, tinyModel(llamaConfig));
    const finished = new Map<string, FinishedLayer>();
    let numRecalled = 0;
    const memory: LayerMemory = {
      recall: async (key) => {
        if (finished.has(key)) numRecalled += 1;
        return finished.get(key);
      },
      remember: async (key, layer) => {
        finished.set(key, layer);
      },
    };
    const stop = new AbortController();
    const context: OperationContext = {
      signal: stop.signal,
      report: ({ phase, step }) => phase === 'quantize' && step === 3 && stop.abort(),
    };
    await expect(quantize(settings, tinyModel(llamaConfig), { calibration, memory }, context)).rejects.toThrow(/cancelled/);
    expect(finished.size).toBe(3);
    const { model: resumed, report } = await quantize(settings, tinyModel(llamaConfig), { calibration, memory });
    expect(numRecalled).toBe(3);
    expect([...resumed.parameters]).toEqual([...atOnce.parameters]);
    expect(report.layers).toHaveLength(14);
  });

  it('stops when it is told to and leaves no buffers behind', async () => {
    const before = engine.counters().buffers;
    const stop = new AbortController();
    const context: OperationContext = {
      signal: stop.signal,
      report: ({ phase, step }) => phase === 'quantize' && step === 2 && stop.abort(),
    };
    await expect(quantize({ bits: 4, groupSize: 16, method: 'gptq' }, model, { calibration }, context)).rejects.toThrow(/cancelled/);
    expect(engine.counters().buffers).toBe(before);
  });
});
