// The teacher of a job, wherever it is: named in a request, checked before the job is queued, and opened when it runs.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '#base';
import { checkSameAnswers, choicesOf } from '#distill';
import type { ModelConfig } from '#models';
import { isRemote, remoteAddress } from '#teaching';
import type { JobContext } from '../job.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import type { ModelRecord } from '../results.ts';
import { checkRecording } from './recorded-teacher.ts';
import { Recording } from './recording.ts';
import type { ConnectTeacher, RemoteModel, TeacherConnection } from './remote-teacher.ts';

/** A teacher as a request names it. */
export interface TeacherName {
  /** A stored model, `athanor://host:port/model`, or empty. */
  readonly teacher: string;
  /** Folder of a recorded one, or empty. */
  readonly recording: string;
}

export type JobTeacher =
  | { readonly kind: 'none' }
  | { readonly kind: 'resident'; readonly lease: ModelLease }
  | { readonly kind: 'remote'; readonly model: RemoteModel; readonly connection: TeacherConnection }
  | { readonly kind: 'recorded'; readonly recording: Recording };

export interface TeacherCheck extends TeacherName {
  readonly student: ModelRecord;
  /** The student keeps its task, so that both must have the same. */
  readonly keepsTask: boolean;
  readonly temperature: number;
}

/** Stored models among the names. */
export function residentTeacher({ teacher }: Pick<TeacherName, 'teacher'>): string {
  return isRemote(teacher) ? '' : teacher;
}

export function hasTeacher({ teacher, recording }: TeacherName): boolean {
  return teacher !== '' || recording !== '';
}

/**
 * Everything about a teacher that can be known without loading it.
 *
 * @throws AppError `tokenizer_mismatch` | `teacher_unavailable` | `model_not_found` | `bad_recording` | `recording_mismatch` | `file_not_found` |
 * `unsupported` for a model of another task
 */
export async function checkTeacher(hub: ModelHub, check: TeacherCheck, connect: ConnectTeacher | undefined, place: string): Promise<void> {
  const { teacher, recording, student, keepsTask, temperature } = check;
  const studentConfig = JSON.parse(student.configJson) as ModelConfig;
  if (recording !== '') {
    const opened = await Recording.open(recording);
    await opened.close();
    const choices = keepsTask ? choicesOf({ config: studentConfig }) : opened.facts.choices;
    checkRecording(opened.facts, { tokenizerHash: student.tokenizerHash, choices, temperature }, `${place}.recording`);
    return;
  }
  if (teacher === '') return;
  const found = isRemote(teacher) ? await describeRemote(teacher, connect, place) : recordFacts(await hub.get(teacher));
  if (found.tokenizerHash !== student.tokenizerHash)
    throw new AppError(
      'tokenizer_mismatch',
      `"${student.name}@${student.version}" and its teacher "${isRemote(teacher) ? teacher : found.reference}" have different tokenizers. Use a teacher with the student's tokenizer.`,
      { details: { student: `${student.name}@${student.version}`, teacher: found.reference } },
    );
  if (keepsTask) checkSameAnswers({ config: studentConfig }, { config: found.config });
}

function recordFacts({ name, version, hash, tokenizerHash, configJson }: ModelRecord): RemoteModel {
  return { reference: `${name}@${version}`, hash, tokenizerHash, config: JSON.parse(configJson) as ModelConfig };
}

async function describeRemote(teacher: string, connect: ConnectTeacher | undefined, place: string): Promise<RemoteModel> {
  const { target, model } = remoteAddress(teacher, `${place}.teacher`);
  const connection = connectTo(connect, target);
  try {
    return await connection.describe(model);
  } finally {
    connection.close();
  }
}

/** What a job knows of where its teacher is. */
export interface TeacherPlace extends Pick<JobContext, 'jobId' | 'workFolder'> {
  readonly connect: ConnectTeacher | undefined;
  readonly pinnedTo: (reference: string) => string;
}

/** Opens the teacher for the time of `work`. A resumed job gets the version that its first attempt had. */
export async function withJobTeacher<Result>(
  hub: ModelHub,
  { teacher, recording }: TeacherName,
  { connect, pinnedTo, workFolder, jobId }: TeacherPlace,
  work: (teacher: JobTeacher) => Promise<Result>,
): Promise<Result> {
  if (recording !== '') {
    const opened = await Recording.open(recording);
    try {
      return await work({ kind: 'recorded', recording: opened });
    } finally {
      await opened.close();
    }
  }
  if (teacher === '') return work({ kind: 'none' });
  if (!isRemote(teacher)) return hub.usingFor(jobId, pinnedTo(teacher), (lease) => work({ kind: 'resident', lease }));
  const { target, model } = remoteAddress(teacher, 'teacher');
  const connection = connectTo(connect, target);
  try {
    return await work({ kind: 'remote', model: await pinnedRemote(connection, model, join(workFolder, pinnedName)), connection });
  } finally {
    connection.close();
  }
}

const pinnedName = 'teacher.json';

/** What is remembered of a remote model. */
type PinnedRemote = Pick<RemoteModel, 'reference' | 'hash'>;

/** The remote model with which the first attempt began; undefined in the first attempt. @param path - of the file that says so */
export async function knownRemote(path: string): Promise<PinnedRemote | undefined> {
  const saved = await readFile(path, 'utf8').catch(() => undefined);
  return saved === undefined ? undefined : (JSON.parse(saved) as PinnedRemote);
}

/** The version of a remote model with which the first attempt began. @throws AppError `resume_mismatch` when that server has another one now */
export async function pinnedRemote(connection: TeacherConnection, model: string, path: string): Promise<RemoteModel> {
  const pinned = await knownRemote(path);
  const found = await connection.describe(pinned?.reference ?? model);
  if (pinned !== undefined && pinned.hash !== found.hash)
    throw new AppError('resume_mismatch', `teacher "${pinned.reference}": is another model now than when the job began. Start a new job.`);
  if (pinned === undefined) {
    await writeFile(`${path}.new`, JSON.stringify({ reference: found.reference, hash: found.hash }));
    await rename(`${path}.new`, path);
  }
  return found;
}

/** @throws AppError `unsupported` where there is no client for other servers */
export function connectTo(connect: ConnectTeacher | undefined, target: string): TeacherConnection {
  if (connect !== undefined) return connect(target);
  throw new AppError(
    'unsupported',
    `teacher athanor://${target}: this process has no client for other servers. Name a model of its own store.`,
  );
}
