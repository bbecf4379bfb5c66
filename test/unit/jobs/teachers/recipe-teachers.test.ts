// Teachers elsewhere in the trainings of recipes: on another server or recorded, they teach as one in memory does, in every step that trains.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError, type OperationContext, type Progress, quietContext } from '#base';
import { compressModel, parseRecipe, type RecipeEnvironment } from '#compress';
import { TeacherProgram } from '#distill';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel, type Model } from '#models';
import { abortAfter, storedBytesOf } from '#test/recipe-runs';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type TrainingData, trainingExamples } from '#train';
import { FolderCheckpoints } from '../../../../src/jobs/checkpoints.ts';
import { recipeMethods } from '../../../../src/jobs/distill-step.ts';
import { LayerFolder } from '../../../../src/jobs/layer-folder.ts';
import { RecipeTraining } from '../../../../src/jobs/recipe-training.ts';
import { RecipeTeachers, recordingsOf, teachersElsewhere } from '../../../../src/jobs/teachers/recipe-teachers.ts';
import { type AskTeacher, recordTeacher } from '../../../../src/jobs/teachers/record-teacher.ts';
import { rowStarts } from '../../../../src/jobs/teachers/recording.ts';
import type { ConnectTeacher } from '../../../../src/jobs/teachers/remote-teacher.ts';
import { gpt2, tinyCorpus, tinyModel } from '../../train/tiny-training.ts';

const model = tinyModel(gpt2, 1);
const teacher = tinyModel(gpt2, 2);
const corpus = tinyCorpus();
const { tokenizerHash } = corpus;
const address = 'athanor://far:1/teacher';
const sizes = { steps: 6, batchSize: 2, sequenceLength: 8, learningRate: 0.01, checkpointEvery: 2 };
const choices = gpt2.vocabularySize;

const recorded = join(temporaryFolderForSuite(), 'recording');
let engine: Engine;
let weights: Record<string, DeviceBuffer>;
let program: TeacherProgram;
let far = { reference: 'teacher@1', hash: 'far', tokenizerHash, config: teacher.config };
/** Questions until the server goes away. */
let patience = Number.POSITIVE_INFINITY;
let connections = 0;

const connect: ConnectTeacher = () => {
  connections++;
  return {
    describe: async () => far,
    answers: async ({ batch, form, temperature }, signal) => {
      if (patience-- <= 0) throw new AppError('teacher_unavailable', `teacher ${address}: is away.`);
      return await program.answers(batch, form, temperature, signal);
    },
    close: () => {
      connections--;
    },
  };
};

beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
  weights = borrowModel(engine, teacher);
  program = new TeacherProgram(engine, teacher, weights);
  const examples = trainingExamples(teacher, corpus, { sequenceLength: 8 });
  const facts = {
    examples: examples.kind,
    numExamples: examples.count,
    numRows: rowStarts(examples).at(-1)!,
    topK: choices,
    temperature: 1,
    choices,
    sequenceLength: 8,
    sourceLength: 8,
    teacher: { reference: 't@1', hash: 'recorded' },
    tokenizerHash,
    dataFingerprint: corpus.fingerprint,
    examplesHash: examples.hash(),
  };
  const ask: AskTeacher = (batch, signal) => program.answers(batch, { kind: 'top', topK: choices }, 1, signal);
  await recordTeacher({ folder: recorded, facts, examples, batchSize: 4, ask }, quietContext);
});
afterEach(() => {
  expect(connections).toBe(0);
  patience = Number.POSITIVE_INFINITY;
});
afterAll(async () => {
  await program.release();
  for (const buffer of Object.values(weights)) buffer.release();
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
  await engine.dispose();
});

interface RunOptions {
  readonly folder?: string;
  readonly context?: OperationContext;
  readonly validation?: TrainingData;
}

/** As a compress job runs a recipe. */
async function run(step: object, { folder, context = quietContext, validation }: RunOptions = {}) {
  const recipe = parseRecipe({ steps: [step] }, recipeMethods);
  const workFolder = folder ?? temporaryFolder();
  const elsewhere = await RecipeTeachers.open(recipe, { connect, workFolder, tokenizerHash });
  const stored = async (name?: string): Promise<Model> => (name === undefined ? model : teacher);
  const environment: RecipeEnvironment = {
    engine,
    ofStep: (index) => ({
      training: new RecipeTraining({
        engine,
        corpus,
        validation,
        seed: 0,
        teacher: stored,
        elsewhere,
        checkpoints: (part) => new FolderCheckpoints(`${workFolder}/training-${index}${part}`, 'same'),
      }),
      memory: new LayerFolder(`${workFolder}/layers`, 'same').step(index),
    }),
  };
  try {
    return await compressModel(model, recipe, environment, context);
  } finally {
    await elsewhere.close();
  }
}

/** A context that keeps what is reported. */
function listening(): { readonly context: OperationContext; readonly reports: Progress[] } {
  const reports: Progress[] = [];
  return { reports, context: { ...quietContext, report: (progress) => reports.push(progress) } };
}

const places: Readonly<Record<string, (taught: object) => object>> = {
  distill: (taught) => ({ distill: { ...sizes, ...taught } }),
  flop: (taught) => ({ flop: { ratio: 0.6, recompileEvery: 2, settleSteps: 2, gateLearningRate: 1, training: { ...sizes, ...taught } } }),
  qat: (taught) => ({ qat: { bits: 4, groupSize: 16, training: { ...sizes, ...taught } } }),
  prune: (taught) => ({ prune: { method: 'movement', sparsity: 0.5, training: { ...sizes, ...taught } } }),
  lora: (taught) => ({ lora: { rank: 2, training: { ...sizes, ...taught } } }),
  theseus: (taught) => ({ theseus: { modules: 1, replacementSteps: 3, patience: 0, training: { ...sizes, ...taught } } }),
  ladder: (taught) => ({ ladder: { reduction: 2, initial: 'random', cache: 'none', training: { ...sizes, ...taught } } }),
};

describe.each(Object.entries(places))('in the step %s', (name, at) => {
  it('a teacher that is not in memory teaches as one that is', async () => {
    const divergences = async (given: object): Promise<number[]> => {
      const { reports, context } = listening();
      await run(at(given), { context });
      return reports.flatMap(({ phase, metrics }) => (phase === name ? (metrics?.['divergence'] ?? []) : []));
    };
    const here = await divergences({ teacher: 'near' });
    const forms = [
      { taught: { recording: recorded }, tolerance: 2e-3 },
      { taught: { teacher: address }, tolerance: 2e-3 },
      { taught: { teacher: address, teacherTopK: choices }, tolerance: 1e-5 },
    ];
    // How the answers come is the same in all steps.
    for (const { taught, tolerance } of name === 'distill' ? forms : forms.slice(0, 1)) {
      const there = await divergences(taught);
      expect([here.length, there.length]).toEqual([6, 6]);
      for (const [index, value] of there.entries()) expect(Math.abs(value - here[index]!)).toBeLessThan(tolerance * (1 + index));
    }
  });

  it('a run that was stopped, or lost its teacher, goes on to the same model', async () => {
    const taught = { teacher: address, teacherTopK: 5 };
    const straight = await run(at(taught));
    const folder = temporaryFolder();
    await expect(run(at(taught), { folder, context: abortAfter(name, 3) })).rejects.toMatchObject({ code: 'cancelled' });
    patience = 1;
    await expect(run(at(taught), { folder })).rejects.toMatchObject({ code: 'teacher_unavailable' });
    patience = Number.POSITIVE_INFINITY;
    const resumed = await run(at(taught), { folder });
    expect(storedBytesOf(resumed.model)).toEqual(storedBytesOf(straight.model));
    expect(resumed.report).toEqual(straight.report);
  });
});

describe('a remote teacher of a recipe', () => {
  const step = { distill: { ...sizes, teacher: address, teacherTopK: 5 } };
  const asOther = async (changes: object, work: () => Promise<void>): Promise<void> => {
    const before = far;
    far = { ...far, ...changes };
    try {
      await work();
    } finally {
      far = before;
    }
  };

  it('is the same one in every attempt', async () => {
    const folder = temporaryFolder();
    await expect(run(step, { folder, context: abortAfter('distill', 3) })).rejects.toMatchObject({ code: 'cancelled' });
    expect(readdirSync(folder).filter((name) => name.startsWith('teacher-'))).toHaveLength(1);
    await asOther({ hash: 'other' }, () => expect(run(step, { folder })).rejects.toMatchObject({ code: 'resume_mismatch' }));
  });

  it('is refused with another tokenizer, and other answers', async () => {
    await asOther({ tokenizerHash: 'other' }, () =>
      expect(run(step)).rejects.toMatchObject({ code: 'tokenizer_mismatch', details: { field: 'distill.teacher' } }),
    );
    const config = { ...teacher.config, vocabularySize: 31 };
    await asOther({ config }, () => expect(run(step)).rejects.toMatchObject({ code: 'tokenizer_mismatch' }));
  });
});

describe('early stopping with a teacher elsewhere', () => {
  const theseus = { modules: 1, replacementSteps: 3, patience: 1, evaluateEvery: 1 };

  it.each([
    ['another server', { teacher: address }, {}],
    ['a recording and validation data', { recording: recorded }, { validation: tinyCorpus(200) }],
  ])('measures the loss on held-out labels: %s', async (_, taught, options) => {
    const { reports, context } = listening();
    await run({ theseus: { ...theseus, training: { ...sizes, ...taught } } }, { ...options, context });
    const measured = reports.filter(({ item }) => item === 'validation');
    expect(measured.length).toBeGreaterThan(0);
    for (const { metrics } of measured) expect(Object.keys(metrics ?? {})).toEqual(['loss']);
  });

  it('needs validation data where the teacher is recorded', async () => {
    await expect(run({ theseus: { ...theseus, training: { ...sizes, recording: recorded } } })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/validation data, or set patience to 0/),
    });
  });
});

describe('teachers of recipes', () => {
  it('are found in every step, with the places of their trainings', () => {
    const recipe = parseRecipe(
      {
        steps: [
          { qat: { bits: 8, training: { recording: '/there' } } },
          { distill: { teacher: address, teacherTopK: 3 } },
          { search: { target: { ratio: 0.5 }, distill: { recording: '/elsewhere' } } },
          { distill: { teacher: 'near' } },
        ],
      },
      recipeMethods,
    );
    expect(teachersElsewhere(recipe).map(({ place }) => place)).toEqual([
      'steps[0].qat.training',
      'steps[1].distill',
      'steps[2].search.distill',
    ]);
    expect(recordingsOf(recipe)).toEqual(['/there', '/elsewhere']);
    expect(recipe.steps.map(({ models }) => models)).toEqual([[], [], [], ['near']]);
  });

  it.each([
    [{ teacher: address, recording: '/there' }, 'recording', /not both/],
    [{ teacher: 'athanor://nowhere' }, 'teacher', /"athanor:\/\/host:port\/model", got "athanor:\/\/nowhere"/],
    [{ teachers: [{ model: 'near' }, { model: address }] }, 'teachers[1].model', /several must all be models of this server/],
    [{ teacher: 'near', teacherTopK: 3 }, 'teacherTopK', /on another server/],
    [{ recording: '/there', losses: [{ kind: 'logits' }] }, 'losses', /whose states they read/],
  ])('name what does not go together in %j', (taught, field, message) => {
    for (const [step, place] of [
      [{ distill: taught }, 'steps[0].distill'],
      [{ qat: { bits: 8, training: taught } }, 'steps[0].qat.training'],
    ] as const) {
      const parse = (): unknown => parseRecipe({ steps: [step] }, recipeMethods);
      expect(parse).toThrow(expect.objectContaining({ code: 'bad_recipe', message: expect.stringMatching(message) }));
      expect(parse).toThrow(`${place}.${field}`);
    }
  });
});
