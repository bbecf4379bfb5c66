// What losses mean for two models, and the errors for what cannot be compared.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '#models';
import { albertConfig, bertConfig } from '#test/encoders';
import { layerPairs } from '../../../../src/distill/losses/layer-map.ts';
import { lastSharedState, planLosses } from '../../../../src/distill/losses/plan.ts';
import { gpt2, llama } from '../../train/tiny-training.ts';
import { lossesOf } from './measured-losses.ts';

describe('layerPairs', () => {
  it('maps evenly as TinyBERT does: each layer learns from the last of those that it stands for', () => {
    // 4 of 12: attentions 2, 5, 8, 11; states (with the embeddings before them) 3, 6, 9, 12.
    expect(layerPairs('uniform', 4, 12, 'layers').map(([, teacher]) => teacher)).toEqual([2, 5, 8, 11]);
    expect(layerPairs('uniform', 6, 6, 'layers')).toEqual([0, 1, 2, 3, 4, 5].map((layer) => [layer, layer]));
  });

  it('maps to the last and the first layers, and by pairs from either end', () => {
    expect(layerPairs('last', 2, 5, 'layers')).toEqual([
      [0, 3],
      [1, 4],
    ]);
    expect(layerPairs('first', 2, 5, 'layers')).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(
      layerPairs(
        [
          [0, 1],
          [-1, -1],
          [1, -5],
        ],
        2,
        5,
        'layers',
      ),
    ).toEqual([
      [0, 1],
      [1, 4],
      [1, 0],
    ]);
  });

  it.each([
    ['uniform', 4, 6, /4 does not divide 6/],
    ['last', 7, 6, /has only 6/],
    [[[0, 6]], 3, 6, /layer 6 of the teacher does not exist: it has 6, from 0 to 5/],
    [[[-4, 0]], 3, 6, /layer -4 of the student does not exist/],
  ] as const)('refuses %j from %d to %d layers', (map, student, teacher, message) => {
    expect(() => layerPairs(map, student, teacher, 'losses[1].layers')).toThrow(
      expect.objectContaining({
        code: 'invalid_argument',
        message: expect.stringMatching(message),
        details: expect.objectContaining({ field: 'losses[1].layers' }),
      }),
    );
  });
});

describe('planLosses', () => {
  const plan = (student: ModelConfig, teachers: readonly ModelConfig[], ...losses: readonly object[]) =>
    planLosses(lossesOf(...losses), { student, teachers, batch: 1 });
  const wide = { ...gpt2, width: 12, heads: 3 };

  it('projects where widths differ, and says which state all terms depend on', () => {
    const plans = plan(wide, [llama], { kind: 'hidden' }, { kind: 'logits' }, { kind: 'relation', heads: 2, layers: [[1, 0]] });
    expect(plans).toMatchObject([{ projection: [12, 8], name: 'hidden' }, { name: 'divergence' }, { name: 'relation', heads: [2] }]);
    // The relation of layer 1 is made of what layer 0 answers, which is state 1.
    expect(lastSharedState(plans)).toEqual({ stack: undefined, state: 1 });
    expect(lastSharedState(plan(gpt2, [gpt2], { kind: 'labels' }, { kind: 'logits' }))).toEqual({ stack: undefined, state: 2 });
    expect(lastSharedState(plan(gpt2, [gpt2], { kind: 'embeddings' }, { kind: 'logits' }))).toEqual({ stack: undefined, state: 0 });
  });

  it('projects equal widths only when asked to', () => {
    expect(plan(gpt2, [gpt2], { kind: 'hidden' }, { kind: 'hidden', projection: 'learned' })).toMatchObject([
      { projection: undefined, name: 'hidden' },
      { projection: [8, 8], name: 'hidden2' },
    ]);
  });

  it.each([
    ['a missing teacher', gpt2, [], { kind: 'hidden' }, 'kind', /compares with a teacher, and there is none/],
    ['a teacher that is not in the list', gpt2, [gpt2], { kind: 'hidden', teacher: 1 }, 'teacher', /no teacher 1: there are 1/],
    [
      'widths without a projection',
      wide,
      [gpt2],
      { kind: 'hidden', projection: 'none' },
      'projection',
      /12 wide and those of the teacher 8/,
    ],
    ['other heads', wide, [gpt2], { kind: 'attention' }, 'kind', /has 3 heads and layer 0 of the teacher 2.*minilmv2/],
    ['other heads of values', gpt2, [llama], { kind: 'relation', of: 'minilm' }, 'kind', /2 heads of keys and values .* 1.*minilmv2/],
    ['relation heads', wide, [gpt2], { kind: 'relation', heads: 5 }, 'heads', /5 relation heads do not divide 12.*student/],
    ['relation heads of the teacher', wide, [llama], { kind: 'relation', heads: 3 }, 'heads', /3 relation heads do not divide 8.*teacher/],
    ['depths', gpt2, [{ ...gpt2, layers: 3 }], { kind: 'hidden' }, 'layers', /2 does not divide 3/],
    ['a stack of a model with one', gpt2, [gpt2], { kind: 'hidden', stack: 'encoder' }, 'stack', /one stack of layers/],
    ['distributions of scores', gpt2, [gpt2], { kind: 'attention', distance: 'kl' }, 'distance', /of: probabilities/],
    ['a batch of one', gpt2, [gpt2], { kind: 'relation', of: 'gram', over: 'batch' }, 'over', /Raise batchSize/],
  ] as const)('names %s', (_, student, teachers, loss, field, message) => {
    expect(() => plan(student, teachers, { kind: 'labels' }, loss)).toThrow(
      expect.objectContaining({
        code: 'invalid_argument',
        message: expect.stringMatching(message),
        details: expect.objectContaining({ field: `losses[1].${field}` }),
      }),
    );
  });

  it('compares heads of grouped attention with minilmv2, and encoders of other depths', () => {
    expect(() => plan(gpt2, [llama], { kind: 'relation', of: 'minilmv2', heads: 4 }, { kind: 'attention' })).not.toThrow();
    const [own, taught] = [bertConfig({ kind: 'masked' }), albertConfig({ kind: 'masked' })];
    expect(plan(own, [taught], { kind: 'hidden', layers: 'last' })).toMatchObject([
      {
        states: {
          pairs: [
            [0, 1],
            [1, 2],
          ],
        },
      },
    ]);
  });
});
