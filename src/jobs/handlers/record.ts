// Record: a teacher's likeliest answers over a data set, written to a folder once for any number of trainings.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '#base';
import { choicesOf, TeacherProgram } from '#distill';
import type { Engine } from '#engine';
import { borrowModel, type ModelConfig } from '#models';
import { trainingExamples } from '#train';
import { checkInput } from '../check-input.ts';
import type { JobContext, JobHandler } from '../job.ts';
import { checkData, checkDataKind, readJobData } from '../job-data.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import { withPinnedInputs } from '../pinned-inputs.ts';
import type { RecordResult } from '../results.ts';
import { type RecordSpec, recordSpecSchema } from '../specs.ts';
import { type AskTeacher, recordTeacher } from '../teachers/record-teacher.ts';
import { Recording, type RecordingFacts, rowStarts } from '../teachers/recording.ts';
import { checkReads } from './names.ts';

/** Tokens of a sequence where nothing else is said. */
export const defaultSequence = 128;

export function recordHandler(hub: ModelHub, engine: Engine): JobHandler<RecordSpec, RecordResult> {
  return {
    kind: 'record',
    usesDevice: true,
    canResume: true,
    parse: (input) => checkInput(recordSpecSchema, input, 'record'),
    names: ({ teacher }) => ({ source: teacher, target: '' }),
    paths: ({ data, path }) => [...data.paths, path],
    async prepare({ teacher, data, path, settings }) {
      await checkReads(hub, [teacher]);
      const config = JSON.parse((await hub.get(teacher)).configJson) as ModelConfig;
      checkDataKind(config, data, 'record.data');
      const choices = choicesOf({ config });
      if (settings.topK > choices)
        throw new AppError(
          'invalid_argument',
          `record.settings.topK: must be at most the teacher's ${choices} answers, got ${settings.topK}.`,
          {
            details: { field: 'record.settings.topK' },
          },
        );
      await checkData(data);
      await checkFolder(path);
    },
    run: (spec, context) =>
      withPinnedInputs(hub, [spec.teacher], context.workFolder, (pinnedTo) =>
        hub.usingFor(context.jobId, pinnedTo(spec.teacher), (lease) => record(lease, engine, spec, context)),
      ),
  };
}

async function record(lease: ModelLease, engine: Engine, { data, path, settings }: RecordSpec, context: JobContext): Promise<RecordResult> {
  const { model, tokenizer } = lease;
  const { topK, temperature, batchSize } = settings;
  const sequenceLength = settings.sequenceLength ?? Math.min(defaultSequence, model.config.maxPositions);
  const { sourceLength = sequenceLength } = settings;
  const longest = Math.max(sequenceLength, sourceLength);
  if (longest > model.config.maxPositions)
    throw new AppError(
      'context_too_long',
      `record.settings.sequenceLength: ${longest} tokens are more than the ${model.config.maxPositions} positions of the teacher. Ask for fewer.`,
      { details: { field: 'record.settings.sequenceLength' } },
    );
  const corpus = await readJobData(data, { model, tokenizer }, { sequenceLength, sourceLength }, context);
  const examples = trainingExamples(model, corpus, { sequenceLength, sourceLength });
  const facts: RecordingFacts = {
    examples: examples.kind,
    numExamples: examples.count,
    numRows: rowStarts(examples).at(-1) ?? 0,
    topK,
    temperature,
    choices: choicesOf(model),
    sequenceLength,
    sourceLength,
    teacher: { reference: lease.reference, hash: lease.version.hash },
    tokenizerHash: tokenizer.hash,
    dataFingerprint: corpus.fingerprint,
    examplesHash: examples.hash(),
  };
  const weights = borrowModel(engine, model);
  const program = new TeacherProgram(engine, model, weights);
  try {
    const ask: AskTeacher = (batch, signal) => program.answers(batch, { kind: 'top', topK }, temperature, signal);
    await recordTeacher({ folder: path, facts, examples, batchSize, ask }, context);
  } finally {
    await program.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
  const sizes = await Promise.all((await readdir(path)).map(async (name) => (await stat(join(path, name))).size));
  return {
    path,
    examples: facts.numExamples,
    rows: facts.numRows,
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    teacher: lease.reference,
  };
}

/** A folder with something else in it is nobody's to write over; a recording that is not whole is gone on with. */
async function checkFolder(path: string): Promise<void> {
  const names = await readdir(path).catch((thrown: unknown) => {
    const error = AppError.from(thrown);
    if (error.code === 'file_not_found') return [];
    throw error;
  });
  if (names.length === 0) return;
  const whole = await Recording.open(path).then(
    (opened) => opened.close().then(() => true),
    () => false,
  );
  const isOurs = names.every((name) => /^(manifest\.json|answers-\d+\.safetensors)(\.new)?$/.test(name));
  if (isOurs && !whole) return;
  throw new AppError('file_exists', `record.path "${path}": exists and is not empty. Choose a folder that does not exist yet.`, {
    details: { path },
  });
}
