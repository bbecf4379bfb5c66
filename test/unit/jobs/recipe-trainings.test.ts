// The trainings of a recipe: where they stand, and products that a device does not have.
import { describe, expect, it } from 'vitest';
import { parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { checkProductsOf, trainingsOf } from '../../../src/jobs/recipe-trainings.ts';

const recipe = parseRecipe(
  {
    steps: [
      { prune: { structure: 'layers', remove: [1] } },
      { distill: { steps: 3, products: 'int8' } },
      { flop: { ratio: 0.5, training: { steps: 4 } } },
      { search: { target: { ratio: 0.5 }, budget: { trials: 2 }, distill: { steps: 5, teacherProducts: 'int8' } } },
    ],
  },
  recipeMethods,
);
const slow = { name: 'plain', device: 'cpu', hasFastInt8: false } as Engine;

describe('trainings of a recipe', () => {
  it('stand in the order of their steps, by place', () => {
    expect(trainingsOf(recipe).map(({ place, training }) => [place, training.steps])).toEqual([
      ['steps[1].distill', 3],
      ['steps[2].flop.training', 4],
      ['steps[3].search.distill', 5],
    ]);
  });

  it('are refused by place where the device has no fast products in integers', () => {
    const check = (index: number, engine = slow) => {
      const { place, training } = trainingsOf(recipe)[index]!;
      checkProductsOf(engine, training, place);
    };
    const refused = (field: string) => expect.objectContaining({ code: 'unsupported', details: { field } });
    expect(() => check(0)).toThrow(refused('steps[1].distill.products'));
    expect(() => check(2)).toThrow(refused('steps[3].search.distill.teacherProducts'));
    expect(() => check(1)).not.toThrow();
    expect(() => check(0, { ...slow, hasFastInt8: true })).not.toThrow();
  });
});
