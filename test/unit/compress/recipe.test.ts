// Recipes: what is accepted, and errors that name the field and what may have been meant.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { tinyModel } from './tiny-model.ts';

const parse = (input: unknown): ReturnType<typeof parseRecipe> => parseRecipe(input, methods);

describe('parseRecipe', () => {
  it('fills in defaults and keeps the seed', () => {
    const recipe = parse({ steps: [{ lowRank: { ratio: 0.5 } }], seed: 4 });
    expect(recipe.seed).toBe(4);
    expect(recipe.steps[0]).toMatchObject({
      method: 'lowRank',
      settings: { method: 'plain', allocate: 'uniform', ratio: 0.5 },
      needsCalibration: false,
    });
    expect(parse({ steps: [{ lowRank: { method: 'whitened', rank: 3 } }] }).steps[0]?.needsCalibration).toBe(true);
  });

  const faults: [string, unknown, RegExp][] = [
    ['a misspelt field', { steps: [{ lowRank: { ratoi: 0.5 } }] }, /steps\[0\]\.lowRank\.ratoi: unknown field\. Did you mean "ratio"\?/],
    [
      'an unknown step',
      { steps: [{ lowRank: { ratio: 0.5 } }, { lowRnak: {} }] },
      /steps\[1\]\.lowRnak: unknown step\. Did you mean "lowRank"\?/,
    ],
    ['a field beside the steps', { steps: [{ lowRank: { ratio: 0.5 } }], sed: 1 }, /sed: unknown field\. Did you mean "seed"\?/],
    ['a ratio above one', { steps: [{ lowRank: { ratio: 1.5 } }] }, /steps\[0\]\.lowRank\.ratio: /],
    ['a ratio of zero', { steps: [{ lowRank: { ratio: 0 } }] }, /steps\[0\]\.lowRank\.ratio: /],
    ['a rank that is not whole', { steps: [{ lowRank: { rank: 2.5 } }] }, /steps\[0\]\.lowRank\.rank: /],
    [
      'two sizes at once',
      { steps: [{ lowRank: { rank: 2, ratio: 0.5 } }] },
      /steps\[0\]\.lowRank: needs exactly one of ratio, rank and energy, got 2/,
    ],
    ['no size', { steps: [{ lowRank: {} }] }, /exactly one of ratio, rank and energy, got 0/],
    ['settings left out', { steps: [{ lowRank: null }] }, /exactly one of ratio/],
    ['loss allocation without a ratio', { steps: [{ lowRank: { rank: 2, allocate: 'loss' } }] }, /steps\[0\]\.lowRank\.allocate: /],
    ['an unknown choice', { steps: [{ lowRank: { ratio: 0.5, method: 'plane' } }] }, /steps\[0\]\.lowRank\.method: .*plain/],
    ['a pattern that is not text', { steps: [{ lowRank: { ratio: 0.5, include: [3] } }] }, /steps\[0\]\.lowRank\.include\[0\]: /],
    ['no steps', { steps: [] }, /steps: must be a list/],
    ['steps that are no list', { steps: { lowRank: {} } }, /steps: must be a list/],
    ['two methods in one step', { steps: [{ lowRank: { ratio: 0.5 }, other: {} }] }, /steps\[0\]: must hold exactly one/],
    ['a step that is text', { steps: ['lowRank'] }, /steps\[0\]: must be an object, got string/],
    ['a seed that is text', { steps: [{ lowRank: { ratio: 0.5 } }], seed: 'x' }, /seed: must be a whole number, got "x"/],
    ['a name from the prototype', { steps: [{ toString: {} }] }, /steps\[0\]\.toString: unknown step/],
    ['nothing', null, /recipe: must be an object, got null/],
  ];
  for (const [name, input, message] of faults) {
    it(`refuses ${name} with the field`, () => {
      expect(() => parse(input)).toThrow(message);
      expect(() => parse(input)).toThrow(expect.objectContaining({ code: 'bad_recipe' }));
    });
  }
});

describe('compressModel', () => {
  it('runs the steps in order, each on the result of the one before', async () => {
    const model = tinyModel();
    const recipe = parse({ steps: [{ lowRank: { ratio: 0.8, include: ['*.mlp.*'] } }, { lowRank: { ratio: 0.5, include: ['*.fc.*'] } }] });
    const { model: small, report } = await compressModel(model, recipe, { engine: createReferenceEngine() }, quietContext);
    expect(report.steps.map(({ layers }) => layers.length)).toEqual([4, 2]);
    expect(report.steps[1]?.layers[0]).toMatchObject({ kindBefore: 'lowRank', kindAfter: 'lowRank', path: 'h.0.mlp.fc.weight' });
    expect(small.parameters.get('h.0.mlp.fc.weight')?.settings).toEqual({ rank: 4 });
    expect(small.parameters.get('h.0.mlp.proj.weight')?.settings).toEqual({ rank: 8 });
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore);
    expect(report.bytesBefore - report.bytesAfter).toBe(report.steps.reduce((sum, step) => sum + step.bytesBefore - step.bytesAfter, 0));
    expect(model.parameters.get('h.0.mlp.fc.weight')?.kind).toBe('dense');
  });
});
