// Errors of a recipe say which step they are of, and steps that would do nothing are errors.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { checkFirstStep, compressModel, methods, parseRecipe } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { exportHuggingFace } from '#store';
import { temporaryFolder } from '#test/temporary';
import { tinyCorpus } from '../train/tiny-training.ts';
import { gpt2Config, tinyModel } from './tiny-model.ts';

const engine = createReferenceEngine();
const apply = (steps: readonly object[]) => compressModel(tinyModel(), parseRecipe({ steps }, methods), { engine }, quietContext);

describe('errors of steps', () => {
  it('name the place of the step in the recipe', async () => {
    const steps = [
      { lowRank: { method: 'plain', ratio: 0.5 } },
      { prune: { structure: 'ffn', ratio: 0.5, importance: 'magnitude', include: ['h.9.*'] } },
    ];
    await expect(apply(steps)).rejects.toMatchObject({
      code: 'pattern_matches_nothing',
      message: expect.stringMatching(/^\[pattern_matches_nothing\] steps\[1\]: /),
      details: { step: 1 },
    });
  });

  it('leave a cancellation as it is', async () => {
    const context = { ...quietContext, signal: AbortSignal.abort() };
    const recipe = parseRecipe({ steps: [{ lowRank: { method: 'plain', ratio: 0.5 } }] }, methods);
    const error = await compressModel(tinyModel(), recipe, { engine }, context).catch((thrown: Error) => thrown.message);
    expect(error).not.toMatch(/steps\[/);
  });

  it('say that rounding to a multiple keeps everything', async () => {
    const step = (multipleOf: number) => [{ prune: { structure: 'ffn', ratio: 0.5, importance: 'magnitude', multipleOf } }];
    await expect(apply(step(1000))).rejects.toThrow(/prune\.multipleOf: rounded to multiples of 1000, all of 32 units stay/);
    expect((await apply(step(8))).model.config.feedForwardWidth).toBe(16);
  });
});

describe('what rules a first step out', () => {
  const nothing = { include: ['h.9.*'] };
  const training = { steps: 4, sequenceLength: 8 };
  const cases: readonly (readonly [code: string, step: Readonly<Record<string, object>>])[] = [
    ['pattern_matches_nothing', { lowRank: { method: 'whitened', ratio: 0.5, ...nothing } }],
    ['rank_out_of_range', { lowRank: { method: 'whitened', rank: 1000 } }],
    ['pattern_matches_nothing', { kronecker: { ratio: 0.5, ...nothing } }],
    ['does_not_factor', { kronecker: { terms: 1, shape: [5, 7] } }],
    ['rank_out_of_range', { factorizeEmbedding: { method: 'frequency', width: 1000 } }],
    ['pattern_matches_nothing', { quantize: { method: 'gptq', bits: 4, ...nothing } }],
    ['does_not_factor', { prune: { method: 'sparsegpt', pattern: '4:8' } }],
    ['pattern_matches_nothing', { prune: { structure: 'ffn', ratio: 0.5, ...nothing } }],
    ['bad_recipe', { prune: { structure: 'layers', remove: [9] } }],
    ['pattern_matches_nothing', { prune: { method: 'movement', sparsity: 0.5, training, ...nothing } }],
    ['pattern_matches_nothing', { qat: { bits: 4, training, ...nothing } }],
    ['pattern_matches_nothing', { flop: { ratio: 0.5, training, ...nothing } }],
    ['bad_recipe', { share: { scheme: 'cycle', uniqueLayers: 9, from: 'similar' } }],
    ['unsupported', { share: { scheme: 'tiedEncoderDecoder' } }],
  ];
  const model = tinyModel({ ...gpt2Config, feedForwardWidth: 36 });

  it.each(cases)('is found without data: %s of %o', (code, step) => {
    const recipe = parseRecipe({ steps: [step] }, methods);
    expect(() => checkFirstStep(model, recipe)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(/steps\[0\]: /) }));
  });

  it.each(cases)('is found again by the step itself: %s of %o', async (code, step) => {
    const recipe = parseRecipe({ steps: [step] }, methods);
    const corpus = tinyCorpus();
    const unused = async (): Promise<never> => expect.unreachable('the step goes no further');
    const environment = { engine, ofStep: () => ({ training: { corpus, teacher: unused, train: unused, settings: unused } }) };
    await expect(compressModel(model, recipe, environment, quietContext)).rejects.toMatchObject({ code });
  });

  it('is nothing for steps that fit', () => {
    for (const step of [
      { lowRank: { method: 'whitened', ratio: 0.5 } },
      { share: { scheme: 'cycle', uniqueLayers: 1 } },
      { gate: { maxLoss: 3 } },
    ])
      expect(() => checkFirstStep(tinyModel(), parseRecipe({ steps: [step] }, methods))).not.toThrow();
  });
});

describe('the Hugging Face layout', () => {
  it('says which rounding of inputs it drops', async () => {
    const { model } = await apply([{ quantize: { bits: 8, method: 'dynamic', include: ['h.*.mlp.*'] } }]);
    const { dropped } = await exportHuggingFace(model, new Map(), `${temporaryFolder()}/out`);
    expect(dropped).toEqual([
      expect.stringMatching(/inputs of h\.0\.mlp\.fc\.weight and 3 more are rounded to 8 bits .* not in this layout/),
    ]);
    const plain = await exportHuggingFace(tinyModel(), new Map(), `${temporaryFolder()}/plain`);
    expect(plain.dropped).toEqual([]);
  });
});
