// Sparse slots: what is stored, what graphs get, and what is refused.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import {
  allInputs,
  buildLogitsGraph,
  checkModel,
  declarations,
  denseParameter,
  inputMask,
  keptCount,
  type Model,
  materializeParameter,
  modelInputs,
  type Parameter,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  slotOnHost,
  sparseBytes,
  sparseSlot,
  storedTensors,
  trainableNames,
} from '#models';
import { castTensor, type DType, sizeOf, tensorBytes, toNumbers } from '#tensor';
import { largestDifference, randomTensor, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

/** Every other number or so of the slots that are asked for, kept. */
function sparsely(model: Model, path: string, slots: readonly string[], seed = 5): Model {
  const random = new Random(seed);
  const spec = parameterSpecs(model).get(path)!;
  let parameter = model.parameters.get(path)!;
  for (const slot of slots) {
    const whole = slotOnHost(spec, parameter, slot);
    const keeps = Uint8Array.from({ length: sizeOf(whole.shape) }, () => (random.uniform() < 0.5 ? 1 : 0));
    const { settings, tensors } = sparseSlot(slot, whole, keeps);
    const { [slot]: _, ...others } = parameter.tensors;
    parameter = { ...parameter, settings: { ...parameter.settings, ...settings }, tensors: { ...others, ...tensors } };
  }
  return replaceParameters(model, [parameter]);
}

function withFactors(model: Model): Model {
  const random = new Random(3);
  const tensors = (shapes: Record<string, readonly number[]>): Parameter['tensors'] =>
    Object.fromEntries(Object.entries(shapes).map(([slot, shape]) => [slot, randomTensor(random, shape)]));
  const [D, F] = [6, 10];
  return replaceParameters(model, [
    { path: 'h.0.mlp.fc.weight', kind: 'lowRank', settings: { rank: 4 }, tensors: tensors({ left: [D, 4], right: [4, F] }) },
    {
      path: 'h.1.mlp.fc.weight',
      kind: 'kronecker',
      settings: { terms: 2, outerRows: 3, outerColumns: 5, innerRows: 2, innerColumns: 2 },
      tensors: tensors({ outer: [2, 3, 5], inner: [2, 2, 2] }),
    },
  ]);
}

const gpt2 = withFactors(tinyModel(tinyGpt2));
const cases: [string, Model, string, string[]][] = [
  ['a dense matrix', gpt2, 'h.0.attn.qkv.weight', ['value']],
  ['low-rank factors', gpt2, 'h.0.mlp.fc.weight', ['left', 'right']],
  ['Kronecker factors', gpt2, 'h.1.mlp.fc.weight', ['outer', 'inner']],
  ['an embedding that is the head too', gpt2, 'embed.token.weight', ['value']],
  ['a matrix of a llama', tinyModel(tinyLlama), 'h.0.mlp.gate.weight', ['value']],
];

async function logitsOf(model: Model): Promise<ArrayLike<number>> {
  const { logits } = await runGraph(buildLogitsGraph(model, { batch: 1, length: 4 }), model, { tokens: tokenRows([[3, 1, 4, 7]]) });
  return toNumbers(logits!);
}

describe.each(cases)('%s', (_, model, path, slots) => {
  const sparse = sparsely(model, path, slots);
  const parameter = sparse.parameters.get(path)!;

  it('stands for the numbers that are kept, and zero elsewhere', async () => {
    checkModel(sparse);
    const dense = replaceParameters(sparse, [denseParameter(path, materializeParameter(sparse, path))]);
    expect(largestDifference(await logitsOf(sparse), await logitsOf(dense))).toBeLessThan(1e-5);
    expect(largestDifference(await logitsOf(sparse), await logitsOf(model))).toBeGreaterThan(1e-3);
  });

  it('is in graphs what it was before, so that they are the same graphs', () => {
    expect([...modelInputs(sparse)].map(([name, { shape }]) => [name, shape])).toEqual(
      [...modelInputs(model)].map(([name, { shape }]) => [name, shape]),
    );
    expect(trainableNames(sparse)).toEqual(trainableNames(model));
  });

  it('stores a bit a number and the numbers that are kept', () => {
    for (const slot of slots) {
      const size = sizeOf(model.parameters.get(path)!.tensors[slot]!.shape);
      const { [`${slot}.mask`]: mask, [`${slot}.values`]: values } = parameter.tensors;
      expect(values!.shape).toEqual([keptCount(parameter, slot)]);
      expect(tensorBytes(mask!) + tensorBytes(values!)).toBe(sparseBytes(size, keptCount(parameter, slot)!, 'float32'));
      expect(tensorBytes(mask!)).toBe(Math.ceil(size / 8));
    }
    expect(parameterCounts(sparse).storedBytes).toBeLessThan(parameterCounts(model).storedBytes);
  });

  it('has a mask with as many numbers as are kept', () => {
    const inputs = allInputs(sparse).filter(({ input }) => input.mask !== undefined);
    expect(inputs.length).toBe(slots.length);
    for (const { input } of inputs) {
      const mask = inputMask(parameter, input)!;
      expect(mask.shape).toEqual(input.shape);
      expect(mask.data.reduce((sum, flag) => sum + flag, 0)).toBe(sizeOf(parameter.tensors[input.stored]!.shape));
    }
  });
});

describe('a sparse slot', () => {
  const path = 'h.0.attn.qkv.weight';

  it.each<DType>(['float16', 'bfloat16', 'float64'])('keeps %s numbers as they are', (dtype) => {
    const value = castTensor(gpt2.parameters.get(path)!.tensors['value']!, dtype);
    const narrow = replaceParameters(gpt2, [denseParameter(path, value)]);
    const sparse = sparsely(narrow, path, ['value']).parameters.get(path)!;
    expect(sparse.tensors['value.values']!.dtype).toBe(dtype);
    const whole = slotOnHost(parameterSpecs(gpt2).get(path)!, sparse, 'value');
    expect(whole.dtype).toBe(dtype);
    expect([...whole.data].every((bits, index) => Number(bits) === 0 || bits === value.data[index])).toBe(true);
  });

  it('may keep nothing', () => {
    const { settings, tensors } = sparseSlot('value', gpt2.parameters.get(path)!.tensors['value']!, new Uint8Array(6 * 18));
    const none = replaceParameters(gpt2, [{ path, kind: 'dense', settings, tensors }]);
    checkModel(none);
    expect(materializeParameter(none, path).data.every((value) => value === 0)).toBe(true);
  });

  const sparse = sparsely(gpt2, path, ['value']);
  const parameter = sparse.parameters.get(path)!;
  const broken: [string, Partial<Parameter>, RegExp][] = [
    ['a count that is none', { settings: { 'value.kept': -1 } }, /keeps -1 numbers/],
    ['more than there are', { settings: { 'value.kept': 1000 } }, /\[6, 18\] cannot keep 1000 numbers/],
    [
      'another count than values',
      { settings: { 'value.kept': 3 } },
      /"h\.0\.attn\.qkv\.weight\.values" is \[\d+\], the config needs \[3\]/,
    ],
    ['no bitmap', { tensors: { 'value.values': parameter.tensors['value.values']! } }, /\.mask" is missing/],
  ];
  it.each(broken)('is refused with %s', (_, change, message) => {
    expect(() => checkModel(replaceParameters(sparse, [{ ...parameter, ...change }]))).toThrow(message);
  });

  it('is refused where the bitmap keeps another number than are stored', () => {
    const mask = parameter.tensors['value.mask']!;
    const damaged = { ...mask, data: Uint8Array.from(mask.data as Uint8Array, (byte, index) => (index === 0 ? byte ^ 1 : byte)) };
    const model = replaceParameters(sparse, [{ ...parameter, tensors: { ...parameter.tensors, 'value.mask': damaged } }]);
    expect(() => [...modelInputs(model)]).toThrow(/config_mismatch.*the bitmap keeps \d+ numbers, stored are \d+/);
  });

  it('declares what it is without its data', () => {
    expect(declarations(sparse).parameters.get(path)!.tensors).toEqual({
      'value.mask': { dtype: 'uint8', shape: [14] },
      'value.values': { dtype: 'float32', shape: parameter.tensors['value.values']!.shape },
    });
    expect(storedTensors(sparse).has(`${path}.mask`)).toBe(true);
  });
});
