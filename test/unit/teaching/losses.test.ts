// Losses as they are written: defaults, both forms of a field, and what is said about mistakes.

import { describe, expect, it } from 'vitest';
import { parseRecipe } from '#compress';
import { lossFields } from '#teaching';

import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { lossesOf } from '../distill/losses/measured-losses.ts';

describe('losses', () => {
  it('have defaults, and are read again as they were written down', () => {
    const losses = lossesOf(
      { kind: 'logits' },
      { kind: 'hidden', weight: { from: 1, to: 0, steps: 5 }, layers: [[0, 1]] },
      { kind: 'attention', weight: 0 },
      { kind: 'relation' },
    );
    expect(losses).toMatchObject([
      { weight: 1, divergence: 'forward', beta: 0.5, scaled: false, temperature: 1 },
      { weight: { from: 1, to: 0, steps: 5, shape: 'linear' }, distance: 'mse', layers: [[0, 1]], teacher: 0, tokens: 'all' },
      { weight: 0, of: 'scores' },
      { of: 'minilmv2', over: 'tokens' },
    ]);
    expect(lossFields.losses.parse(JSON.parse(JSON.stringify(losses)))).toEqual(losses);
  });

  it('take the form of the wire, where a field has one type', () => {
    const wire = {
      kind: 'hidden',
      weightSchedule: { from: 0, to: 2, steps: 9, shape: 'cosine' },
      layerPairs: [{ student: 1, teacher: 3 }, { teacher: -1 }],
    };
    expect(lossesOf(wire)).toMatchObject([
      {
        weight: { from: 0, to: 2, steps: 9, shape: 'cosine' },
        layers: [
          [1, 3],
          [0, -1],
        ],
      },
    ]);
  });

  it.each([
    [[{ kind: 'logit' }], '[0].kind', /no kind "logit". Did you mean "logits"\?/],
    [[{ weight: 1 }], '[0].kind', /one of the kinds that there are labels, logits/],
    [[{ kind: 'labels' }, { kind: 'hidden', distanse: 'mse' }], '[1].distanse', /no field of the loss "hidden". Did you mean "distance"\?/],
    [[{ kind: 'labels', temperature: 2 }], '[0].temperature', /no field of the loss "labels"/],
    [[{ kind: 'logits', weight: -1 }], '[0].weight', /must not be negative/],
    [[{ kind: 'logits', weight: { from: 1, to: -1, steps: 3 } }], '[0].weight.to', /must not be negative/],
    [[{ kind: 'logits', weight: 'much' }], '[0].weight', /must be a number, or \{from, to, steps\}/],
    [
      [
        { kind: 'logits', weight: 0 },
        { kind: 'hidden', weight: { from: 0, to: 0, steps: 3 } },
      ],
      '',
      /all weights are zero/,
    ],
    [[], '', /at least one loss/],
    [[{ kind: 'logits', beta: 1.5 }], '[0].beta', /<=1/],
    [[{ kind: 'logits', divergence: 'backward' }], '[0].divergence', /"forward"\|"reverse"\|"jsd"/],
    [[{ kind: 'hidden', layers: 'middle' }], '[0].layers', /"uniform", "last", "first" or a list/],
    [[{ kind: 'hidden', layers: [[0]] }], '[0].layers[0]', /\[student layer, teacher layer\]/],
    [['logits'], '[0]', /an object such as/],
  ] as const)('%j is refused at its place', (losses, place, message) => {
    const recipe = { steps: [{ distill: { losses } }] };
    expect(() => parseRecipe(recipe, recipeMethods)).toThrow(
      expect.objectContaining({
        code: 'bad_recipe',
        message: expect.stringMatching(message),
        details: expect.objectContaining({ field: `steps[0].distill.losses${place}` }),
      }),
    );
  });

  it.each([
    [{ losses: [{ kind: 'labels' }], alpha: 0.5 }, 'alpha', /short form/],
    [{ balance: 'gradientNorm' }, 'balance', /goes with a list of losses/],
    [{ losses: [{ kind: 'logits' }], balanceEvery: 3 }, 'balanceEvery', /goes with balance: gradientNorm/],
    [{ losses: [{ kind: 'labels' }, { kind: 'hidden' }], teacher: 'none' }, 'losses[1].kind', /"hidden" compares with a teacher/],
    [{ losses: [{ kind: 'logits' }], teacher: 'a', teachers: [{ model: 'b' }] }, 'teachers', /cannot stand beside "teacher"/],
    [{ teachers: [{ model: 'b', weight: 0 }] }, 'teachers[0].weight', /above 0/],
    [{ teacherProducts: 'int8', teacher: 'none' }, 'teacherProducts', /is of a teacher, and there is none/],
    [{ teacherProducts: 'int8', recording: '/there' }, 'teacherProducts', /teachers on this server/],
    [{ products: 'int4' }, 'products', /"int8"\|"int8PerTensor"/],
  ] as const)('%j does not fit together', (settings, field, message) => {
    expect(() => parseRecipe({ steps: [{ distill: settings }] }, recipeMethods)).toThrow(
      expect.objectContaining({
        code: 'bad_recipe',
        message: expect.stringMatching(message),
        details: expect.objectContaining({ field: `steps[0].distill.${field}` }),
      }),
    );
  });
});

describe('8-bit products', () => {
  it('may be asked for in every step that trains, of teachers where there are some', () => {
    const steps = [
      { distill: { products: 'int8', teacherProducts: 'int8' } },
      { train: { products: 'int8PerTensor' } },
      { finetune: { task: 'causal', products: 'float32' } },
      { flop: { ratio: 0.5, training: { products: 'int8', teacherProducts: 'int8' } } },
    ];
    expect(() => parseRecipe({ steps }, recipeMethods)).not.toThrow();
    expect(() => parseRecipe({ steps: [{ train: { teacherProducts: 'int8' } }] }, recipeMethods)).toThrow(/teacherProducts/);
  });
});
