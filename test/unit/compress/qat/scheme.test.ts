// What a model computes while it is trained for its codes: floats where λ is 0, and where λ is 1 what the stored codes compute.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { selectMatrices } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import { causalNetwork, checkModel, type Model, modelInputs, parameterSpecs, replaceParameters } from '#models';
import { float32, type HostTensor, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import type { TrainingScheme } from '#train';
import { packCodedModel } from '../../../../src/compress/qat/pack.ts';
import { initialSteps, planCodes, slotOf } from '../../../../src/compress/qat/plan.ts';
import { inputStepName, lambdaAt, qatScheme, stepName } from '../../../../src/compress/qat/scheme.ts';
import { qatSettings } from '../../../../src/compress/qat/settings.ts';
import { splitGroup, splitParameter, ternaryZeros } from '../../../../src/compress/qat/split.ts';
import { gpt2Config, llamaConfig, tinyModel } from '../tiny-model.ts';

const engine = await createOnnxEngine({ threads: 1 });
afterAll(() => engine.dispose());

const tokens: HostTensor<'int64'> = int64(
  [2, 12],
  Array.from({ length: 24 }, (_, index) => (index * 7) % 40),
);

/** Logits of the model as it is, or as a scheme makes it compute. */
async function logitsOf(model: Model, scheme?: TrainingScheme, lambda = 1): Promise<ArrayLike<number>> {
  const b = new GraphBuilder();
  const input = b.input('tokens', 'int64', [2, 12]);
  const initial = new Map((scheme?.tensors ?? []).map((tensor) => [tensor.name, tensor.initial]));
  const changes = scheme?.network?.({
    b,
    variant: '',
    tensor: (name) => b.constant(initial.get(name)!),
    input: () => b.scalar(lambda, 'float32'),
  });
  const net = causalNetwork(b, model, input, { changes });
  const program = await engine.compile(b.graph({ logits: net.logits(net.hidden(input)) }));
  const inputs = Object.fromEntries([...modelInputs(model)].filter(([name]) => program.inputNames.includes(name)));
  const { logits } = await program.run({ ...inputs, tokens });
  const read = toNumbers(logits!.read());
  logits!.release();
  await program.release();
  return read;
}

const cases = [
  { bits: 8 },
  { bits: 4, groupSize: 16, include: ['*'] },
  { bits: 3, perChannel: true },
  { bits: 2, groupSize: 16, symmetric: true },
  { bits: 4, stepSize: 'learned', groupSize: 16, include: ['*'] },
  { bits: 8, activations: 'dynamic' },
  { bits: 8, activations: 'learned', stepSize: 'learned' },
  { bits: 4, activations: 'token' },
  { scheme: 'ternary', groupSize: 16, include: ['*'] },
  { scheme: 'ternary', threshold: 'absmean', activations: 'token', perChannel: true },
  { scheme: 'binary', split: false },
];

describe.each([
  ['gpt2', gpt2Config],
  ['llama', llamaConfig],
])('a %s', (_, config) => {
  const model = tinyModel(config);
  const specs = parameterSpecs(model);

  it.each(cases)('computes as its codes do with λ = 1 and as before with λ = 0: %j', async (given) => {
    const settings = qatSettings.parse({ ...given, training: {} });
    const plan = planCodes(model, selectMatrices(model, settings), settings);
    const owners = new Set([...plan.inputs].flatMap(([, [rounds, owner]]) => (rounds === 'learned' ? [owner] : [])));
    const inputs = new Map([...owners].map((owner) => [owner, { step: 0.03, zeroPoint: 128 }]));
    const scheme = qatScheme(model, plan, { lambdaSteps: 5, inputs });
    const learned = plan.slots.filter(({ codes }) => codes.kind === 'learned');
    const tensors = new Map([
      ...learned.map((slot) => [stepName(slot.stored), initialSteps(slotOf(model, specs, slot), slot.groups, given.bits ?? 8)] as const),
      ...[...owners].map((owner) => [inputStepName(owner), float32([1], [0.03])] as const),
    ]);
    const packed = replaceParameters(model, await packCodedModel(engine, model, plan, { tensors, inputs }));
    checkModel(packed);

    const whole = await logitsOf(model);
    expect(await logitsOf(model, scheme, 0)).toEqual(whole);
    const rounded = await logitsOf(model, scheme, 1);
    expectAllClose(rounded, await logitsOf(packed), { absolute: 1e-4, relative: 1e-4, what: 'packed' });
    // Something was rounded at all.
    expect(Math.max(...Array.from(rounded, (value, index) => Math.abs(value - whole[index]!)))).toBeGreaterThan(1e-3);
  });
});

describe('λ', () => {
  it('rises evenly to 1 over its steps, and is 1 from the first step on without them', () => {
    expect([1, 2, 3, 4, 5, 6].map((step) => lambdaAt(step, 4))).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(lambdaAt(1, 0)).toBe(1);
  });
});

describe('the split of ternary weights', () => {
  const random = new Random(2);
  const groups = Array.from({ length: 20 }, (_, index) => Float64Array.from({ length: 16 + index }, () => random.normal() * (index + 1)));
  const meanMagnitude = (v: Float64Array): number => v.reduce((sum, value) => sum + Math.abs(value), 0) / v.length;

  it('keeps the weights, and its binary forms add up to the ternary ones', () => {
    for (const weights of [...groups, Float64Array.of(1, -1, 1, 1), Float64Array.of(2, 0, 0, -2)]) {
      const zeros = ternaryZeros(weights);
      const { first, second } = splitGroup(weights, zeros);
      const kept = weights.filter((__, index) => zeros[index] === 0);
      const scale = meanMagnitude(kept);
      const [mean1, mean2] = [meanMagnitude(first), meanMagnitude(second)];
      for (let index = 0; index < weights.length; index++) {
        const binary = (v: Float64Array, mean: number): number => (v[index]! < 0 ? -mean : mean);
        expect(Math.abs(first[index]! + second[index]! - weights[index]!)).toBeLessThan(1e-6 * scale);
        const ternary = zeros[index] === 1 ? 0 : scale * Math.sign(weights[index]!);
        expect(Math.abs(binary(first, mean1) + binary(second, mean2) - ternary)).toBeLessThan(1e-6 * scale);
      }
    }
  });

  it('makes a binary model that answers what the ternary one did', async () => {
    const model = tinyModel(gpt2Config);
    const settings = qatSettings.parse({ scheme: 'ternary', groupSize: 16, training: {} });
    const selected = selectMatrices(model, settings);
    const specOf = parameterSpecs(model);
    const none = { tensors: new Map(), inputs: new Map() };
    const plan = planCodes(model, selected, settings);
    const ternary = replaceParameters(model, await packCodedModel(engine, model, plan, none));
    const split = replaceParameters(
      model,
      plan.slots.map(({ path, groups: layout }) => splitParameter(model.parameters.get(path)!, specOf.get(path)!, layout)),
    );
    checkModel(split);
    expectAllClose(await logitsOf(split), await logitsOf(model), { absolute: 1e-5, relative: 1e-5, what: 'w1 + w2 = w' });
    const binary = replaceParameters(
      split,
      await packCodedModel(engine, split, planCodes(split, selected, { ...settings, scheme: 'binary' }), none),
    );
    // Scales are 16 bits wide, and those of the two halves may round to neighbours.
    expectAllClose(await logitsOf(binary), await logitsOf(ternary), { absolute: 5e-3, relative: 5e-3, what: 'bin(w1) + bin(w2)' });
  });
});
