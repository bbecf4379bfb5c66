// What side networks begin with: sizes, pruned copies of the model by its Fisher information, and errors.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { buildLogitsGraph, checkModel, ladderPaths, type Model, replaceParameters, type UnitAxis } from '#models';
import { float32, int64, toNumbers } from '#tensor';
import { prunedSide, randomSide, withLadder } from '../../../src/compress/ladder/first-weights.ts';
import { channelImportance, largest, linkedImportance } from '../../../src/compress/ladder/linked-importance.ts';
import { ladderOf } from '../../../src/compress/ladder/side-sizes.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const calibration = new WindowCalibration(createReferenceEngine(), tinyWindows(2));
const every = { layers: undefined, mixesOutput: false };

async function logits(model: Model): Promise<number[]> {
  const engine = createReferenceEngine();
  const program = await engine.compile(buildLogitsGraph(model, { batch: 1, length: 4 }));
  const inputs = Object.fromEntries([...model.parameters.values()].map(({ path, tensors }) => [path, tensors['value']!]));
  const wanted = Object.fromEntries(program.inputNames.filter((name) => name !== 'tokens').map((name) => [name, inputs[name]!]));
  const result = await program.run({ ...wanted, tokens: int64([1, 4], [5, 6, 7, 8]) });
  return Array.from(toNumbers(result['logits']!.read()));
}

describe('ladderOf', () => {
  it('divides width, heads and neurons, and keeps at least one whole head', () => {
    expect(ladderOf({ config: gpt2Config }, { reduction: 4, ...every })).toEqual({
      layers: [0, 1],
      width: 4,
      heads: 1,
      keyValueHeads: 1,
      feedForwardWidth: 8,
      mixesOutput: false,
    });
    expect(ladderOf({ config: gpt2Config }, { reduction: 8, layers: [1], mixesOutput: true })).toMatchObject({
      layers: [1],
      heads: 1,
      width: 2,
    });
    expect(ladderOf({ config: llamaConfig }, { reduction: 2, ...every })).toMatchObject({ heads: 2, keyValueHeads: 1 });
  });

  it('names what does not fit', () => {
    const ladder = (reduction: number, layers?: number[]) => ladderOf({ config: gpt2Config }, { reduction, layers, mixesOutput: false });
    expect(() => ladder(3)).toThrow('[invalid_argument] ladder.reduction: 3 does not divide 4 key-value heads. Choose one of 1, 2, 4.');
    expect(() => ladder(5)).toThrow('ladder.reduction: 5 does not divide 16 channels');
    expect(() => ladder(2, [2])).toThrow('[bad_recipe] ladder.layers: layer 2 is outside 0..1.');
    expect(() => ladder(2, [1, 1])).toThrow('ladder.layers: layer 1 is named twice.');
    const config = { ...gpt2Config, ladder: ladder(2) };
    expect(() => ladderOf({ config }, { reduction: 2, ...every })).toThrow('[unsupported] ladder: the model has a side network already');
    const halting = { epsilon: 0.1, ponderCost: 0, signals: false };
    expect(() => ladderOf({ config: { ...gpt2Config, halting } }, { reduction: 2, ...every })).toThrow('until it halts');
  });
});

describe('prunedSide', () => {
  it.each([gpt2Config, llamaConfig])('is the whole model at reduction 1: with closed ladders it answers the same', async (config) => {
    const model = tinyModel(config);
    const ladder = ladderOf(model, { reduction: 1, ...every });
    const made = withLadder(model, ladder, await prunedSide(model, ladder, calibration, quietContext));
    checkModel(made);
    const gates = { path: ladderPaths.gates, kind: 'dense', settings: {}, tensors: { value: float32([2], [Infinity, Infinity]) } };
    const [same, own] = [await logits(replaceParameters(made, [gates])), await logits(model)];
    expect(Math.max(...same.map((value, index) => Math.abs(value - own[index]!)))).toBeLessThan(1e-5);
  });

  it.each([gpt2Config, llamaConfig])('copies the weights of the units that it chose', async (config) => {
    const model = tinyModel(config);
    const ladder = ladderOf(model, { reduction: 2, layers: [1], mixesOutput: false });
    const made = new Map((await prunedSide(model, ladder, calibration, quietContext)).map((parameter) => [parameter.path, parameter]));
    const side = made.get(config.architecture === 'gpt2' ? 'ladder.h.0.mlp.proj.weight' : 'ladder.h.0.mlp.down.weight')!.tensors['value']!;
    const whole = model.parameters.get(config.architecture === 'gpt2' ? 'h.1.mlp.proj.weight' : 'h.1.mlp.down.weight')!.tensors['value']!;
    expect(side.shape).toEqual([16, 8]);
    const known = new Set(toNumbers(whole));
    expect(toNumbers(side).every((value) => known.has(value))).toBe(true);
    // One 1 a column: the channels that the copy was made of.
    const down = Array.from(toNumbers(made.get('ladder.down.0.weight')!.tensors['value']!));
    expect(down.reduce((sum, value) => sum + value, 0)).toBe(8);
  });

  it('needs text, and says what does without', async () => {
    const model = tinyModel();
    await expect(prunedSide(model, ladderOf(model, { reduction: 2, ...every }), undefined, quietContext)).rejects.toThrow(
      '[not_enough_samples] ladder: initial "pruned" looks at gradients and got no calibration text.',
    );
  });
});

describe('randomSide', () => {
  it('follows from its seed; gates and biases are zero', () => {
    const model = tinyModel();
    const ladder = ladderOf(model, { reduction: 2, ...every });
    const [one, again, other] = [randomSide(model, ladder, 1), randomSide(model, ladder, 1), randomSide(model, ladder, 2)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    checkModel(withLadder(model, ladder, one));
    for (const { path, tensors } of one)
      if (path.endsWith('.bias') || path === ladderPaths.gates)
        expect(toNumbers(tensors['value']!).every((value) => value === 0)).toBe(true);
  });
});

describe('linkedImportance', () => {
  it('multiplies the matrices of a unit element by element, readers transposed', () => {
    const axis: UnitAxis = {
      name: 'h.0.mlp',
      kind: 'ffn',
      size: 2,
      sides: [
        { path: 'made', use: 'made', parts: [{ offset: 0, width: 1 }] },
        { path: 'read', use: 'read', parts: [{ offset: 0, width: 1 }] },
      ],
    };
    // made [3, 2], read [2, 3]: Σ_d made[d, u]·read[u, d], both over their means.
    const squares = (path: string) =>
      path === 'made' ? { rows: 3, columns: 2, squares: [1, 2, 3, 4, 5, 6] } : { rows: 2, columns: 3, squares: [1, 0, 2, 0, 3, 0] };
    const [first, second] = linkedImportance(axis, squares);
    expect(first).toBeCloseTo((1 * 1 + 5 * 2) / 3.5, 12);
    expect(second).toBeCloseTo((4 * 3) / 3.5, 12);
    expect(Array.from(channelImportance(axis, squares))).toEqual([9 + 3, 12 + 3]);
  });

  it('keeps the largest, of equals the first', () => {
    expect(largest(Float64Array.of(1, 3, 2, 3), 2)).toEqual([1, 3]);
    expect(largest(Float64Array.of(2, 2, 2), 2)).toEqual([0, 1]);
  });
});
