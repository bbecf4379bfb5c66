// Names of stored models: what they may look like, references to a version, and the file that lists a name's versions.

import { z } from 'zod';
import { AppError } from '#base';
import { badArtefact } from './artefact.ts';
import { checkJson, parseJson } from './json.ts';

/** One immutable version of a name. */
export interface ArtefactVersion {
  readonly name: string;
  /** Counts from 1; a number is not given twice as long as the name exists. */
  readonly version: number;
  /** Address of the content. */
  readonly hash: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly architecture: string;
  /** Bytes of the distinct stored tensors. */
  readonly storedBytes: number;
  /** Bytes of all files of the artefact on disk. */
  readonly artefactBytes: number;
}

/** A name and its versions, oldest first. */
export interface NameRecord {
  readonly name: string;
  readonly nextVersion: number;
  readonly versions: readonly ArtefactVersion[];
}

const maxNameLength = 128;

/**
 * Checks a model's name: it becomes a file name, so it must not be a path.
 *
 * @throws AppError `bad_name`
 */
export function checkName(name: string): void {
  const fail = (problem: string): never => {
    throw new AppError(
      'bad_name',
      `${JSON.stringify(name.slice(0, maxNameLength + 1))}: ${problem}. Use letters, digits, dot, dash and underscore, at most ${maxNameLength} characters.`,
    );
  };
  if (name === '') fail('the name is empty');
  if (name.length > maxNameLength) fail(`the name has ${name.length} characters`);
  const wrong = /[^A-Za-z0-9._-]/.exec(name);
  if (wrong !== null) fail(`${JSON.stringify(wrong[0])} at position ${wrong.index} is not allowed`);
  if (name.startsWith('.') || name.startsWith('-')) fail('the name begins with a dot or a dash');
}

/** `name`, or `name@version`. */
export interface Reference {
  readonly name: string;
  readonly version?: number;
}

/** @throws AppError `bad_name` */
export function parseReference(reference: string): Reference {
  const [name = '', version, ...rest] = reference.split('@');
  checkName(name);
  if (version === undefined) return { name };
  if (rest.length > 0 || !/^[1-9]\d{0,8}$/.test(version))
    throw new AppError('bad_name', `${JSON.stringify(reference)}: the version after "@" must be a number from 1.`);
  return { name, version: Number(version) };
}

const recordSchema = z.object({
  name: z.string(),
  nextVersion: z.int().positive(),
  versions: z.array(
    z.object({
      name: z.string(),
      version: z.int().positive(),
      // It becomes a folder name.
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      created: z.string(),
      architecture: z.string(),
      storedBytes: z.int().nonnegative(),
      artefactBytes: z.int().nonnegative(),
    }),
  ),
});

/** @throws AppError `bad_artefact` */
export function parseNameRecord(bytes: Uint8Array, name: string): NameRecord {
  const place = `names/${name}.json`;
  const record = checkJson(recordSchema, parseJson(bytes, 'bad_artefact', place), 'bad_artefact', place);
  if (record.name !== name) throw badArtefact(`${place}: is the record of "${record.name}"`);
  return record;
}

/** The version that a reference means: the latest unless it names one. @throws AppError `model_not_found` */
export function selectVersion({ name, version }: Reference, record: NameRecord | undefined): ArtefactVersion {
  const versions = record?.versions ?? [];
  const found = version === undefined ? versions.at(-1) : versions.find((candidate) => candidate.version === version);
  if (found !== undefined) return found;
  if (versions.length === 0)
    throw new AppError('model_not_found', `"${name}": no model has this name. List the models with \`athanor models\`.`);
  const known = versions.map((candidate) => candidate.version).join(', ');
  throw new AppError('model_not_found', `"${name}@${version}": there is no such version; there are ${known}.`);
}
