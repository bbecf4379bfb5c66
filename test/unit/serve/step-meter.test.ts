// What steps tell of themselves.
import { expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { LoadedModel } from '#serve';
import { type RecordedTelemetry, telemetryOfTest } from '#test/recorded-telemetry';
import { StepMeter } from '../../../src/serve/step-meter.ts';
import { tinyGpt2, tinyModel } from '../models/tiny-models.ts';
import { byteTokenizer } from './fakes.ts';

/** Tokens by kind of step and by what they were computed for. */
async function tokensOf({ points }: RecordedTelemetry): Promise<Record<string, unknown>> {
  const found = (await points()).filter(({ name }) => name === 'athanor.batch.tokens');
  return Object.fromEntries(found.map(({ labels, value }) => [`${labels['athanor.step.kind']} ${labels['athanor.computed']}`, value]));
}

it('tells tokens from padding, and prompts from decoding', async () => {
  const telemetry = telemetryOfTest();
  const meter = new StepMeter(telemetry.meter);
  meter.ran([5, 3], 10);
  meter.ran([1, 1, 1], 4);
  meter.ran([1], 1);
  expect(await tokensOf(telemetry)).toEqual({ 'prompt token': 8, 'prompt padding': 2, 'decode token': 4, 'decode padding': 1 });
  const sizes = (await telemetry.points()).filter(({ name }) => name === 'athanor.batch.size');
  expect(sizes.map(({ labels, value }) => [labels['athanor.step.kind'], value])).toEqual([
    ['prompt', expect.objectContaining({ count: 1, sum: 2 })],
    ['decode', expect.objectContaining({ count: 2, sum: 4 })],
  ]);
});

it('counts every token that a model reads and generates', async () => {
  const telemetry = telemetryOfTest();
  const engine = await createOnnxEngine({ device: 'cpu' });
  const model = await LoadedModel.load(engine, tinyModel({ ...tinyGpt2, vocabularySize: 300 }), {
    tokenizer: byteTokenizer,
    meter: telemetry.meter,
  });
  for await (const _ of model.generate({ prompt: [1, 2, 3], maxNewTokens: 4, ignoreEnd: true }));
  // The last token of the four is never run.
  expect(await tokensOf(telemetry)).toEqual({ 'prompt token': 3, 'prompt padding': 0, 'decode token': 3, 'decode padding': 0 });
  await model.unload();
  await engine.dispose();
});
