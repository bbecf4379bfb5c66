// Slots in packed codes: looked up, multiplied by from both sides, and checked against the config.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { buildLogitsGraph, checkModel, denseParameter, type Model, materializeParameter, type Parameter, replaceParameters } from '#models';
import { float32, floatToHalf, hostTensor, packedBytes, toNumbers } from '#tensor';
import { largestDifference, runGraph, tinyGpt2, tinyModel, tokenRows } from './tiny-models.ts';

const path = 'embed.token.weight';
const config = { ...tinyGpt2, width: 20, heads: 2 };

/** The token embedding [23, 20] in random codes: two groups of 16, the second of which is padded. */
function embedding(bits: number, scaledInputs: boolean): Parameter {
  const random = new Random(bits);
  const bytes = (shape: number[]) =>
    hostTensor(
      'uint8',
      shape,
      Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.integer(256)),
    );
  const halves = (shape: number[], size: number) =>
    hostTensor(
      'float16',
      shape,
      floatToHalf(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => size * (0.5 + random.uniform()))),
    );
  return {
    path,
    kind: 'dense',
    settings: {
      'value.bits': bits,
      'value.groupSize': 16,
      'value.symmetric': false,
      ...(scaledInputs ? { 'value.scaledInputs': true } : {}),
    },
    tensors: {
      'value.codes': bytes([23, 2, 2 * bits]),
      'value.scales': halves([23, 2], 0.5 / 2 ** bits),
      'value.zeroPoints': bytes([23, packedBytes(2, bits)]),
      ...(scaledInputs ? { 'value.inputScales': halves([20], 1) } : {}),
    },
  };
}

async function logitsOf(model: Model): Promise<ArrayLike<number>> {
  const { logits } = await runGraph(buildLogitsGraph(model, { batch: 1, length: 4 }), model, { tokens: tokenRows([[3, 1, 22, 0]]) });
  return toNumbers(logits!);
}

describe('a slot in codes', () => {
  it.each([8, 4, 3, 2].flatMap((bits) => [false, true].map((scaled) => [bits, scaled] as const)))(
    'is looked up, and is the tied head, as the numbers that it stands for: %i bits, input scales %s',
    async (bits, scaled) => {
      const encoded = replaceParameters(tinyModel(config), [embedding(bits, scaled)]);
      checkModel(encoded);
      const dense = replaceParameters(encoded, [denseParameter(path, materializeParameter(encoded, path))]);
      expect(largestDifference(await logitsOf(encoded), await logitsOf(dense))).toBeLessThan(1e-5);
    },
  );

  it.each([
    [{ 'value.bits': 5 }, {}, /config_mismatch.*5 bits.*8, 4, 3, 2/],
    [{ 'value.groupSize': 24 }, {}, /config_mismatch.*24/],
    [{ 'value.activations': 'dynamic' }, {}, /config_mismatch.*"dynamic" activations with weights of 4 bits/],
    [{ 'value.scheme': 'fourfold' }, {}, /config_mismatch.*unknown scheme "fourfold"/],
    [{ 'value.scheme': 'ternary' }, {}, /config_mismatch.*4 bits.*known are 2 bits/],
    [{ 'value.bits': 8, 'value.activations': 'dynamic' }, {}, /embed\.token\.weight\.codes.*\[23, 20\]/],
    [{ 'value.symmetric': true }, {}, /unknown stored tensor "value\.zeroPoints"/],
    [{}, { 'value.scales': float32([23, 3], new Float32Array(69)) }, /embed\.token\.weight\.scales.*\[23, 3\].*\[23, 2\]/],
    [{}, { 'value.codes': hostTensor('int8', [23, 2, 8]) }, /embed\.token\.weight\.codes.*int8.*uint8/],
  ])('is refused when its settings or tensors do not fit: %j', (settings, tensors, message) => {
    const good = embedding(4, false);
    const bad = { ...good, settings: { ...good.settings, ...settings }, tensors: { ...good.tensors, ...tensors } };
    expect(() => checkModel(replaceParameters(tinyModel(config), [bad]))).toThrow(message);
  });

  it('is a matrix, never a vector', () => {
    const model = tinyModel(config);
    const norm = model.parameters.get('norm.weight')!;
    const bad = { ...norm, settings: { 'value.bits': 4, 'value.groupSize': 16 } };
    expect(() => checkModel(replaceParameters(model, [bad]))).toThrow(/config_mismatch.*not a matrix/);
  });
});
