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
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  storedTensors,
  trainableNames,
} from '#models';
import { castTensor, type HostTensor, tensorBytes, toNumbers } from '#tensor';
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

  it('is a change of type at 16 bits', async () => {
    const { model: after, report } = await quantize({ bits: 16 });
    expect(after.parameters.get(wide)!.tensors['value']!.dtype).toBe('float16');
    expect(report.bytesAfter).toBe(report.bytesBefore / 2);
    expect(distance(await logitsOf(after), await logitsOf(model))).toBeLessThan(0.01);
    const { report: again } = await quantize({ bits: 16 }, after);
    expect(again.layers.every(({ note }) => note?.startsWith('kept as it is'))).toBe(true);
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
    const { model: rounded } = await quantize({ bits: 4, ...everything });
    expect(after.parameters.get('embed.token.weight')).toEqual(rounded.parameters.get('embed.token.weight'));
  });
});

describe('composition', () => {
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
    [{ bits: 4, groupsize: 32 }, /quantize\.groupsize.*"groupSize"/],
  ])('settings %j', (settings, message) => {
    expect(() => methods['quantize']!.step(settings, 'quantize')).toThrow(message);
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
