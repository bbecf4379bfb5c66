// Teachers of a recipe's trainings that are not in this process: checked before the job is queued, pinned when it runs, asked when a step trains.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { AppError, type OperationContext } from '#base';
import type { Recipe } from '#compress';
import { checkSameAnswers, choicesOf, type DistillSettings, defaultDistillation, type TeacherSource } from '#distill';
import { type Model, textPositions } from '#models';
import { type MethodTraining, remoteAddress, type TeacherElsewhere, teacherElsewhere } from '#teaching';
import { type TrainingData, trainingExamples } from '#train';
import { type NamedTraining, trainingsOf } from '../recipe-trainings.ts';
import { connectTo, knownRemote, pinnedRemote } from './job-teacher.ts';
import { checkExamples, checkRecording, recordedTeacher } from './recorded-teacher.ts';
import { Recording } from './recording.ts';
import { type ConnectTeacher, type RemoteModel, remoteTeacher, type TeacherConnection } from './remote-teacher.ts';

interface NamedTeacher extends NamedTraining {
  readonly elsewhere: TeacherElsewhere;
}

/** Teachers elsewhere, in the order of the trainings. */
export function teachersElsewhere(recipe: Pick<Recipe, 'steps'>): readonly NamedTeacher[] {
  return trainingsOf(recipe).flatMap((named) => {
    const elsewhere = teacherElsewhere(named.training);
    return elsewhere === undefined ? [] : [{ ...named, elsewhere }];
  });
}

/** Folders of the recordings among them. */
export function recordingsOf(recipe: Pick<Recipe, 'steps'>): readonly string[] {
  return teachersElsewhere(recipe).flatMap(({ elsewhere }) => (elsewhere.kind === 'recorded' ? [elsewhere.recording] : []));
}

/**
 * Everything about teachers elsewhere that can be known before the job is queued.
 *
 * @param tokenizerHash - of the model that is compressed, and so of all that the recipe makes of it
 * @throws AppError `tokenizer_mismatch` | `teacher_unavailable` | `model_not_found` | `bad_recording` | `recording_mismatch` | `file_not_found`
 */
export async function checkTeachersElsewhere(
  recipe: Pick<Recipe, 'steps'>,
  tokenizerHash: string,
  connect: ConnectTeacher | undefined,
): Promise<void> {
  for (const { place, training, elsewhere } of teachersElsewhere(recipe)) {
    if (elsewhere.kind === 'recorded') {
      const { facts, close } = await openOnce(elsewhere.recording);
      await close();
      const { temperature = defaultDistillation.temperature } = training;
      checkRecording(facts, { tokenizerHash, choices: facts.choices, temperature }, `${place}.recording`);
      continue;
    }
    const { target, model } = remoteAddress(elsewhere.teacher, `${place}.teacher`);
    const connection = connectTo(connect, target);
    try {
      checkTokenizer(await connection.describe(model), tokenizerHash, elsewhere.teacher, place);
    } finally {
      connection.close();
    }
  }
}

async function openOnce(folder: string): Promise<{ readonly facts: Recording['facts']; close(this: void): Promise<void> }> {
  const recording = await Recording.open(folder);
  return { facts: recording.facts, close: () => recording.close() };
}

function checkTokenizer(found: Pick<RemoteModel, 'tokenizerHash'>, tokenizerHash: string, teacher: string, place: string): void {
  if (found.tokenizerHash === tokenizerHash) return;
  throw new AppError(
    'tokenizer_mismatch',
    `${place}.teacher: "${teacher}" has another tokenizer than the model. Use a teacher with the model's tokenizer.`,
    { details: { field: `${place}.teacher` } },
  );
}

/** What a training asks of a teacher elsewhere. */
export interface SourceRequest {
  readonly model: Model;
  /** All of the data that the training reads. */
  readonly corpus: TrainingData;
  readonly settings: DistillSettings;
  /** For messages. */
  readonly place: string;
}

/** A teacher elsewhere, for the time of a job. */
export interface OpenTeacher {
  readonly kind: TeacherElsewhere['kind'];
  /** Of the model that teaches. */
  readonly hash: string;
  /** Of everything that decides its answers, beside what the recipe says. */
  readonly identity: string;
  /** Tokens that it can read. @throws AppError `teacher_unavailable` | `resume_mismatch` */
  positions(): Promise<number>;
  /** @throws AppError as `checkSameAnswers`, `recording_mismatch` | `bad_recording` */
  source(request: SourceRequest, context: OperationContext): Promise<TeacherSource>;
}

/** All of a recipe's, pinned in the job's folder to what they were in the first attempt. */
export class RecipeTeachers {
  readonly #teachers = new Map<string, OpenTeacher>();
  readonly #closing: (() => Promise<void> | void)[] = [];

  /** @throws AppError `tokenizer_mismatch` | `teacher_unavailable` | `bad_recording`; nothing stays open then */
  static async open(recipe: Pick<Recipe, 'steps'>, { connect, workFolder, tokenizerHash }: TeacherPlaces): Promise<RecipeTeachers> {
    const opened = new RecipeTeachers();
    try {
      for (const { elsewhere, place } of teachersElsewhere(recipe)) {
        if (opened.#teachers.has(keyOf(elsewhere))) continue;
        const teacher =
          elsewhere.kind === 'recorded'
            ? await opened.#record(elsewhere.recording, tokenizerHash)
            : await opened.#remote(elsewhere, { connect, workFolder, tokenizerHash, place });
        opened.#teachers.set(keyOf(elsewhere), teacher);
      }
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Of all of them. */
  get hashes(): readonly string[] {
    return [...this.#teachers.values()].map(({ hash }) => hash);
  }

  /** What decides the answers of all of them. */
  get identities(): readonly string[] {
    return [...this.#teachers.values()].map(({ identity }) => identity);
  }

  /** That of a training; undefined where it has a teacher in this process, or none. */
  of(training: MethodTraining): OpenTeacher | undefined {
    const elsewhere = teacherElsewhere(training);
    return elsewhere && this.#teachers.get(keyOf(elsewhere));
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
  }

  async #record(folder: string, tokenizerHash: string): Promise<OpenTeacher> {
    const recording = await Recording.open(folder);
    this.#closing.push(() => recording.close());
    let isVerified = false;
    return {
      kind: 'recorded',
      hash: recording.facts.teacher.hash,
      identity: JSON.stringify(recording.facts),
      positions: async () => Number.POSITIVE_INFINITY,
      source: async ({ model, corpus, settings, place }, context) => {
        const field = `${place}.recording`;
        checkRecording(recording.facts, { tokenizerHash, choices: choicesOf(model), temperature: settings.temperature }, field);
        const examples = trainingExamples(model, corpus, settings);
        checkExamples(recording.facts, examples, settings.sequenceLength, field);
        if (!isVerified) {
          context.report({ phase: 'verify', item: 'recording' });
          await recording.verify(context.signal);
          isVerified = true;
        }
        return recordedTeacher(recording, examples);
      },
    };
  }

  async #remote(
    { teacher, topK }: Extract<TeacherElsewhere, { readonly kind: 'remote' }>,
    { connect, workFolder, tokenizerHash, place }: TeacherPlaces & { readonly place: string },
  ): Promise<OpenTeacher> {
    const { target, model: name } = remoteAddress(teacher, `${place}.teacher`);
    const connection: TeacherConnection = connectTo(connect, target);
    this.#closing.push(() => connection.close());
    const path = join(workFolder, `teacher-${createHash('sha256').update(teacher).digest('hex').slice(0, 16)}.json`);
    let asked: Promise<RemoteModel> | undefined;
    const described = (): Promise<RemoteModel> => {
      asked ??= pinnedRemote(connection, name, path);
      return asked;
    };
    // An attempt whose trainings are all done needs no answer of that server.
    const { hash } = (await knownRemote(path)) ?? (await described());
    return {
      kind: 'remote',
      hash,
      identity: hash,
      positions: async () => textPositions((await described()).config),
      source: async ({ model, settings, place: field }) => {
        const found = await described();
        checkTokenizer(found, tokenizerHash, teacher, field);
        checkSameAnswers(model, found);
        const form = topK === undefined ? ({ kind: 'full' } as const) : ({ kind: 'top', topK } as const);
        return remoteTeacher(connection, found, form, settings.temperature);
      },
    };
  }
}

interface TeacherPlaces {
  readonly connect: ConnectTeacher | undefined;
  /** Of the job. */
  readonly workFolder: string;
  readonly tokenizerHash: string;
}

/** One name asks one teacher in one form. */
function keyOf(elsewhere: TeacherElsewhere): string {
  return JSON.stringify(elsewhere);
}
