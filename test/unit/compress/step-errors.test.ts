// Errors of a recipe say which step they are of, and steps that would do nothing are errors.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { exportHuggingFace } from '#store';
import { temporaryFolder } from '#test/temporary';
import { tinyModel } from './tiny-model.ts';

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
