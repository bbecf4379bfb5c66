// Speculative decoding with real models: greedy answers are the target's own, and drafts that do not fit are named.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import type { Model } from '#models';
import { type GenerationRequest, LoadedModel, type Usage } from '#serve';
import { importHuggingFace } from '#store';
import { withFewerLayers } from '#test/fewer-layers';
import { type FixtureModel, fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';

const prompts = [
  'The city of',
  'In 1914',
  'A',
  'The river flows through the north of the country and',
  'He was born in',
  'Music',
  'Once upon a time',
  'She',
];

let engine: Engine;
const loaded: LoadedModel[] = [];

async function load(model: Model, name: FixtureModel, label: string = name, contextTokens = 128): Promise<LoadedModel> {
  const made = await LoadedModel.load(engine, model, { tokenizer: fixtureTokenizer(name), name: label, slots: 8, contextTokens });
  loaded.push(made);
  return made;
}

async function inFourBits(model: Model): Promise<Model> {
  const calibration = new WindowCalibration(engine, async function* () {});
  const recipe = parseRecipe({ steps: [{ quantize: { bits: 4 } }] }, methods);
  return (await compressModel(model, recipe, { engine, calibration }, quietContext)).model;
}

async function answer(model: LoadedModel, request: GenerationRequest, draft?: LoadedModel): Promise<{ ids: number[]; usage: Usage }> {
  const ids: number[] = [];
  for await (const event of model.generate(request, undefined, draft)) {
    if (event.kind === 'token') ids.push(event.token.id);
    if (event.kind === 'finished') return { ids, usage: event.usage };
  }
  throw new Error('it did not finish');
}

beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu' });
});
afterAll(async () => {
  for (const model of loaded) await model.unload();
  await engine.dispose();
});

describe.each<FixtureModel>(['wiki-gpt2-7m', 'stories260K'])('speculative decoding of %s', (name) => {
  let target: LoadedModel;
  let drafts: readonly (readonly [string, LoadedModel])[];
  beforeAll(async () => {
    const { model } = await importHuggingFace(fixtureModelFolder(name));
    target = await load(model, name);
    drafts = [
      ['half its layers', await load(withFewerLayers(model, Math.ceil(model.config.layers / 2)), name, 'half')],
      ['a shorter context', await load(withFewerLayers(model, model.config.layers - 1), name, 'short', 24)],
      ...(name === 'wiki-gpt2-7m' ? [['four bits', await load(await inFourBits(model), name, 'four bits')] as const] : []),
    ];
  });

  it('says greedily what it says alone, for every prompt, draft and number of draft tokens, side by side', async () => {
    const request = (prompt: string, index: number): GenerationRequest => ({
      prompt,
      maxNewTokens: 24,
      ignoreEnd: true,
      draftTokens: 1 + (index % 5),
    });
    const alone = await Promise.all(prompts.map((prompt, index) => answer(target, request(prompt, index))));
    for (const [label, draft] of drafts) {
      const together = await Promise.all(prompts.map((prompt, index) => answer(target, request(prompt, index), draft)));
      expect(
        together.map(({ ids }) => ids),
        label,
      ).toEqual(alone.map(({ ids }) => ids));
      expect(
        together.reduce((sum, { usage }) => sum + usage.draftedTokens, 0),
        label,
      ).toBeGreaterThan(0);
      for (const { usage } of together) expect(usage.acceptedTokens).toBeLessThanOrEqual(usage.draftedTokens);
      for (const model of [target, draft]) expect(model.memory()).toMatchObject({ waiting: 0, active: 0, free: 8 });
    }
  });

  it('agrees mostly with a draft in four bits, and draws with it too', async () => {
    const [, draft] = drafts.at(-1)!;
    const sampling = { temperature: 0.8, topP: 0.9, repetitionPenalty: 1.1, seed: 2 };
    const { ids, usage } = await answer(target, { prompt: 'The city of', maxNewTokens: 40, ignoreEnd: true, sampling, logprobs: 2 }, draft);
    expect(ids).toHaveLength(40);
    expect(usage.generatedTokens).toBe(40);
    if (name === 'wiki-gpt2-7m') expect(usage.acceptedTokens / usage.draftedTokens).toBeGreaterThan(0.5);
  });
});

describe('drafts that do not fit', () => {
  it('are named before anything runs', async () => {
    const [wiki, stories] = await Promise.all(
      (['wiki-gpt2-7m', 'stories260K'] as const).map(async (name) => load((await importHuggingFace(fixtureModelFolder(name))).model, name)),
    );
    const request = { prompt: 'A' };
    expect(() => wiki!.generate(request, undefined, stories)).toThrow(/tokenizer_mismatch.*draftModel.*stories260K/);
    expect(() => wiki!.generate(request, undefined, wiki)).toThrow(/invalid_argument.*draftModel.*smaller/);
    expect(wiki!.memory()).toMatchObject({ waiting: 0, active: 0 });
  });
});
