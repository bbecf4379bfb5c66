// Sums of losses in the trainings inside steps of recipes: every step that trains learns from them, goes on exactly, and refuses those without a meaning.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext, Progress } from '#base';
import { parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { abortAfter, runRecipe, storedBytesOf } from '#test/recipe-runs';
import { temporaryFolder } from '#test/temporary';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { gpt2, llama, tinyCorpus, tinyModel } from '../train/tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const losses = [
  { kind: 'labels', weight: 0.2 },
  { kind: 'logits', temperature: 2 },
  { kind: 'hidden', layers: 'uniform', projection: 'learned', weight: { from: 1, to: 0.5, steps: 5 } },
  { kind: 'attention', layers: [[-1, -1]] },
  { kind: 'relation', of: 'gram' },
];
const answers = losses.slice(0, 2);
const balanced = { balance: 'gradientNorm', balanceEvery: 2 };
const sizes = { steps: 6, batchSize: 2, sequenceLength: 8, learningRate: 0.01, checkpointEvery: 2 };
const training = { ...sizes, losses, ...balanced };
/** Steps that learn from themselves only where a teacher is named. */
const teachers = [{ model: 'one', weight: 2 }, { model: 'two' }];
const taught = { ...training, teachers };

const steps: Readonly<Record<string, object>> = {
  flop: { ratio: 0.6, recompileEvery: 2, settleSteps: 2, gateLearningRate: 1, training },
  qat: { bits: 4, groupSize: 16, training },
  prune: { method: 'movement', sparsity: 0.5, training },
  lora: { rank: 2, training: taught },
  theseus: { modules: 1, replacementSteps: 3, patience: 0, training: { ...sizes, teachers, losses: answers } },
  ladder: { reduction: 2, initial: 'random', cache: 'none', training: { ...taught, losses: answers } },
};

const models = {
  'a GPT-2': { model: tinyModel(gpt2, 1), corpus: tinyCorpus() },
  'a Llama': { model: tinyModel(llama, 1), corpus: tinyCorpus() },
  'a BERT classifier': { model: tinyEncoder(bertConfig(twoLabels), 1), corpus: { texts: tinyTexts(24) } },
};

const cases = Object.entries(steps).flatMap(([name, settings], index) =>
  // All methods on one architecture, and each of the others on some.
  Object.entries(models).flatMap(([who, each], place) =>
    place === 0 || index % 2 === place - 1 ? [[name, who, settings, each] as const] : [],
  ),
);

describe.each(cases)('the step %s on %s', (name, _, settings, { model, corpus }) => {
  it('learns from a sum of losses, and goes on to the same model', async () => {
    const longer = 'texts' in corpus ? { ...settings, training: { ...Object(Object(settings).training), sequenceLength: 13 } } : settings;
    const request = { engine, model, corpus, steps: [{ [name]: longer }] };
    const reports: Progress[] = [];
    const context: OperationContext = { signal: new AbortController().signal, report: (progress) => reports.push(progress) };
    const straight = await runRecipe({ ...request, context });
    const seen = new Set(reports.flatMap(({ metrics = {} }) => Object.keys(metrics)));
    const wanted = name === 'theseus' ? [] : name === 'ladder' ? ['divergenceGradient'] : ['hiddenWeight', 'attention', 'relationGradient'];
    expect([...seen]).toEqual(expect.arrayContaining(['crossEntropy', 'divergence', ...wanted]));
    const folder = temporaryFolder();
    await expect(runRecipe({ ...request, folder, context: abortAfter(name, 3) })).rejects.toMatchObject({ code: 'cancelled' });
    const resumed = await runRecipe({ ...request, folder });
    expect(storedBytesOf(resumed.model)).toEqual(storedBytesOf(straight.model));
    expect(resumed.report).toEqual(straight.report);
  });
});

describe('the trainings of steps', () => {
  it.each([
    [
      'theseus',
      { modules: 1, training: { losses: [{ kind: 'logits' }, { kind: 'hidden' }], teacher: 'one' } },
      'losses[1].kind',
      /other layers run in every step/,
    ],
    ['ladder', { training: { losses: [{ kind: 'relation' }], teacher: 'one' } }, 'losses[0].kind', /of another kind/],
    [
      'lora',
      { method: 'prompt', training: { losses: [{ kind: 'attention' }], teacher: 'one' } },
      'losses[0].kind',
      /stand in front of every text/,
    ],
    ['lora', { training: { losses: [{ kind: 'logits' }] } }, 'losses[0].kind', /compares with a teacher, and there is none/],
    ['theseus', { modules: 1, training: { losses: [{ kind: 'logits' }] } }, 'losses[0].kind', /Name a teacher/],
    ['qat', { training: { losses: [{ kind: 'hiden' }] } }, 'losses[0].kind', /Did you mean "hidden"/],
    ['flop', { ratio: 0.5, training: { losses: [{ kind: 'logits' }], alpha: 0.5 } }, 'alpha', /is of the short form/],
    ['prune', { method: 'movement', sparsity: 0.5, training: { balance: 'gradientNorm' } }, 'balance', /there is none/],
    ['qat', { training: { teacher: 'one', teachers: [{ model: 'two' }] } }, 'teachers', /cannot stand beside "teacher"/],
    ['theseus', { modules: 1, training: { losses: [{ kind: 'logits' }], ...balanced, teacher: 'one' } }, 'balance', /plain weights/],
  ])('name what has no meaning in %s: %j', (name, settings, field, message) => {
    const parse = (): unknown => parseRecipe({ steps: [{ [name]: settings }] }, recipeMethods);
    expect(parse).toThrow(expect.objectContaining({ code: 'bad_recipe', message: expect.stringMatching(message) }));
    expect(parse).toThrow(`steps[0].${name}.training.${field}`);
  });

  it('say which stored models they learn from', () => {
    const [step] = parseRecipe(
      { steps: [{ qat: { bits: 4, training: { teachers: [{ model: 'one' }, { model: 'two' }] } } }] },
      recipeMethods,
    ).steps;
    expect(step?.models).toEqual(['one', 'two']);
  });
});
