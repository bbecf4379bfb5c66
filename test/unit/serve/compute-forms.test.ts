// The numbers that a served model multiplies in: how far each choice may take the answers, and when a choice is made without asking.
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { denseParameter, int8Form, type Model, materializeParameter, replaceParameters } from '#models';
import type { ComputeMode } from '#serve';
import { float32 } from '#tensor';
import { Sequences } from '#test/sequences';
import { tinyGpt2, tinyLlama, tinyModel } from '../models/tiny-models.ts';

const engine = await createOnnxEngine({ device: 'cpu' });
const reference = createReferenceEngine();
afterAll(async () => {
  await engine.dispose();
  await reference.dispose();
});

const wideGpt2 = { ...tinyGpt2, width: 32, heads: 4, feedForwardWidth: 64 };
const wideLlama = { ...tinyLlama, width: 32, headWidth: 8, feedForwardWidth: 48 };
const configs = [
  ['gpt2', wideGpt2],
  ['llama', wideLlama],
] as const;

async function inBits(model: Model, bits: number): Promise<Model> {
  const recipe = parseRecipe({ steps: [{ quantize: { bits, include: ['*'], groupSize: 16 } }] }, methods);
  return (await compressModel(model, recipe, { engine: reference }, quietContext)).model;
}

interface Served {
  readonly weightBytes: number;
  /** After the prompt alone, and after one more token of each of two sequences. */
  readonly logits: readonly Float32Array[];
}

/** @param clock - makes every first form of a comparison slower than the second, or faster */
async function served(model: Model, compute: ComputeMode, secondIsFaster = true): Promise<Served> {
  let [now, call] = [0, 0];
  // Each run reads the clock twice, but for the one that warms up; four runs a form, and forms take turns.
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => {
      const isSecond = Math.floor(call++ / 7) % 2 === 1;
      now += isSecond === secondIsFaster ? 1 : 10;
      return now;
    },
  };
  const sequences = await Sequences.create(engine, model, { name: 'tiny', contextTokens: 12, compute, leastElements: 1, clock });
  const logitsOf = async (ids: readonly number[], tokens: readonly number[]): Promise<Float32Array> => {
    const results = await sequences.run(ids.map((id) => ({ id, tokens, wantsLogits: 'last' })));
    const first = results.get(ids[0]!);
    if (first === undefined || first instanceof AppError) throw first ?? new Error('no logits');
    return first.slice();
  };
  const logits = [await logitsOf([1], [3, 1, 4]), await logitsOf([2], [2, 7]), await logitsOf([1, 2], [5])];
  const { weightBytes } = sequences.runner;
  await sequences.dispose();
  return { weightBytes, logits };
}

/** ‖difference‖ / ‖wanted‖, without the means that change no probability. */
function distance(made: Float32Array, wanted: Float32Array): number {
  const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [madeMean, wantedMean] = [mean(made), mean(wanted)];
  const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return (
    norm(made.map((value, index) => value - madeMean - (wanted[index]! - wantedMean))) / norm(wanted.map((value) => value - wantedMean))
  );
}

function furthest(made: Served, wanted: Served): number {
  return Math.max(...made.logits.map((logits, index) => distance(logits, wanted.logits[index]!)));
}

describe.each(configs)('a %s model', (_, config) => {
  it('in plain numbers is served exactly unless integers are asked for', async () => {
    const model = tinyModel(config);
    const exact = await served(model, 'exact');
    expect(await served(model, 'auto')).toEqual(exact);
    const integers = await served(model, 'int8');
    expect(integers.weightBytes).toBeLessThan(0.5 * exact.weightBytes);
    expect(furthest(integers, exact)).toBeGreaterThan(0);
    // One part in 127 of weights and one in 255 of activations, through all layers.
    expect(furthest(integers, exact)).toBeLessThan(0.05);
  });

  it('is kept and multiplied in float16 where that is asked for', async () => {
    const model = tinyModel(config);
    const exact = await served(model, 'exact');
    const narrow = await served(model, 'float16');
    expect(narrow.weightBytes).toBeLessThan(0.6 * exact.weightBytes);
    expect(furthest(narrow, exact)).toBeGreaterThan(0);
    expect(furthest(narrow, exact)).toBeLessThan(0.01);
  });

  it('in 8 bits is not rounded again unless integers are asked for', async () => {
    const model = await inBits(tinyModel(config), 8);
    const exact = await served(model, 'exact');
    expect(await served(model, 'auto')).toEqual(exact);
    expect(furthest(await served(model, 'int8'), exact)).toBeLessThan(0.05);
  });

  it('in 4 bits runs in integers where they are faster, and is no further off than its bits are', async () => {
    const model = await inBits(tinyModel(config), 4);
    const exact = await served(model, 'exact');
    const chosen = await served(model, 'auto');
    expect(chosen.weightBytes).toBeGreaterThan(exact.weightBytes);
    expect(furthest(chosen, exact)).toBeGreaterThan(0);
    expect(furthest(chosen, exact)).toBeLessThan((await int8Form(model, 'few bits')).storedError);
  });
});

it('serves 4 bits as they are stored where integers are slower', async () => {
  const model = await inBits(tinyModel({ ...wideGpt2, vocabularySize: wideGpt2.vocabularySize + 1 }), 4);
  expect(await served(model, 'auto', false)).toEqual(await served(model, 'exact'));
});

it('serves 4 bits as they are stored where one range for all activations would lose more than the bits did', async () => {
  const before = tinyModel(wideGpt2);
  const changed = [0, 1].flatMap((block) => {
    // One channel dwarfs the others, and its weights make up for that.
    const [gain, weight] = [`h.${block}.ln2.weight`, `h.${block}.mlp.fc.weight`];
    const [gains, numbers] = [materializeParameter(before, gain), materializeParameter(before, weight)];
    const columns = numbers.shape[1]!;
    return [
      denseParameter(
        gain,
        float32(
          gains.shape,
          gains.data.map((value, channel) => (channel === 0 ? 1e4 * value : value)),
        ),
      ),
      denseParameter(
        weight,
        float32(
          numbers.shape,
          numbers.data.map((value, index) => (index < columns ? value / 1e4 : value)),
        ),
      ),
    ];
  });
  const model = await inBits(replaceParameters(before, changed), 4);
  const exact = await served(model, 'exact');
  expect(furthest(await served(model, 'int8'), exact)).toBeGreaterThan((await int8Form(model, 'few bits')).storedError);
  expect(await served(model, 'auto')).toEqual(exact);
});

it('rounds each row to within half a step of its largest number', async () => {
  const before = tinyModel(wideGpt2);
  const { model, elements, storedError, addedError } = await int8Form(before, 'all');
  const path = 'h.1.attn.out.weight';
  const [wanted, made] = [materializeParameter(before, path), materializeParameter(model, path)];
  const columns = wanted.shape[1]!;
  for (let column = 0; column < columns; column++) {
    const column1 = (data: Float32Array): number[] => Array.from(data).filter((_, index) => index % columns === column);
    const [exact, rounded] = [column1(wanted.data), column1(made.data)];
    const step = Math.max(...exact.map(Math.abs)) / 127;
    for (const [index, value] of rounded.entries()) expect(Math.abs(value - exact[index]!)).toBeLessThanOrEqual(0.5001 * step);
  }
  expect(elements).toBeGreaterThan(0);
  expect(storedError).toBe(0);
  expect(addedError).toBeGreaterThan(0);
  expect(addedError).toBeLessThan(0.01);
});
