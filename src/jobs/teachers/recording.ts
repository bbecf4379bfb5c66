// A teacher's likeliest answers over a data set, in files: shards of safetensors and a manifest that says what they were made of.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError, at, invariant, throwIfCancelled } from '#base';
import { lowestLog, type TopAnswers } from '#distill';
import {
  type FileSystem,
  FolderWriter,
  localFileSystem,
  renameDurably,
  SafetensorsReader,
  tensorSource,
  writeFailure,
  writeSafetensors,
} from '#store';
import { floatToHalf, halfToFloat, hostTensor, rawBytes } from '#tensor';
import type { TrainingExamples } from '#train';

const manifestName = 'manifest.json';
const formatName = 'athanor-teacher-recording';
/** Of a shard, about: what a stopped recording does again at most. */
const shardBytes = 32 * 2 ** 20;

const count = z.int().nonnegative();
const factsShape = {
  /** What an example is. */
  examples: z.enum(['windows', 'pairs', 'texts']),
  numExamples: count,
  numRows: count,
  topK: z.int().positive(),
  temperature: z.number().positive(),
  /** Answers that the teacher chooses from. */
  choices: z.int().positive(),
  sequenceLength: z.int().positive(),
  sourceLength: z.int().positive(),
  teacher: z.object({ reference: z.string(), hash: z.string() }),
  tokenizerHash: z.string(),
  dataFingerprint: z.string(),
  /** `TrainingExamples.hash`: the tokens of every example, in their order. */
  examplesHash: z.string(),
};
const manifestSchema = z.object({
  format: z.literal(formatName),
  version: z.literal(1),
  ...factsShape,
  shards: z.array(
    z.object({
      file: z.string().regex(/^answers-\d+\.safetensors$/),
      firstRow: count,
      numRows: count,
      sizeBytes: count,
      sha256: z.string(),
    }),
  ),
  /** SHA-256 over the JSON of everything above. */
  checksum: z.string(),
});

/** What a recording was made of. */
export type RecordingFacts = z.infer<z.ZodObject<typeof factsShape>>;
type Manifest = z.infer<typeof manifestSchema>;
type Shard = Manifest['shards'][number];

/** Bytes of one row: k ids of 2 or 3 bytes, k log-probabilities in half precision, and the logarithm of what is left in single precision. */
export function bytesPerRow(topK: number, choices: number): number {
  return topK * (idBytes(choices) + 2) + 4;
}

function idBytes(choices: number): number {
  return choices <= 2 ** 16 ? 2 : 3;
}

/** Rows of the recording by example: where each begins, and the end. */
export function rowStarts(examples: TrainingExamples): Float64Array {
  const starts = new Float64Array(examples.count + 1);
  for (let example = 0; example < examples.count; example++) starts[example + 1] = at(starts, example) + examples.rows(example);
  return starts;
}

/** Writes shards one after the other; a stopped recording goes on behind the last whole one. */
export class RecordingWriter {
  readonly #folder: string;
  readonly #facts: RecordingFacts;
  readonly #fileSystem: FileSystem;
  readonly #shards: Shard[] = [];
  #waiting: TopAnswers[] = [];
  #waitingRows = 0;

  private constructor(folder: string, facts: RecordingFacts, fileSystem: FileSystem) {
    this.#folder = folder;
    this.#facts = facts;
    this.#fileSystem = fileSystem;
  }

  /** Takes up what an earlier attempt with the same facts left; anything else in the folder is written over. */
  static async open(folder: string, facts: RecordingFacts, fileSystem: FileSystem = localFileSystem): Promise<RecordingWriter> {
    await fileSystem.makeFolder(folder);
    const writer = new RecordingWriter(folder, facts, fileSystem);
    const known = await readManifest(folder).catch(() => undefined);
    const sameFacts = known !== undefined && JSON.stringify(factsOf(known)) === JSON.stringify(factsOf(facts));
    for (const shard of sameFacts ? known.shards : []) {
      if ((await digestOf(join(folder, shard.file)).catch(() => undefined)) !== shard.sha256) break;
      writer.#shards.push(shard);
    }
    return writer;
  }

  /** Rows that are in shards. */
  get rowsWritten(): number {
    const last = this.#shards.at(-1);
    return last === undefined ? 0 : last.firstRow + last.numRows;
  }

  /** Shards end where answers do: hand over whole examples. @throws AppError `disk_full` */
  async add(answers: TopAnswers): Promise<void> {
    this.#waiting.push(answers);
    this.#waitingRows += answers.logTails.length;
    if (this.#waitingRows * bytesPerRow(this.#facts.topK, this.#facts.choices) >= shardBytes) await this.#flush();
  }

  /** Writes what waits. The recording is whole when it has all rows. */
  async finish(): Promise<void> {
    if (this.#waitingRows > 0) await this.#flush();
    invariant(this.rowsWritten === this.#facts.numRows, 'a recording is finished with all its rows');
  }

  async #flush(): Promise<void> {
    const [waiting, numRows] = [this.#waiting, this.#waitingRows];
    this.#waiting = [];
    this.#waitingRows = 0;
    const file = `answers-${String(this.#shards.length).padStart(5, '0')}.safetensors`;
    const writer = new FolderWriter(this.#fileSystem, this.#folder);
    const temporary = `${file}.new`;
    try {
      await this.#fileSystem.remove(join(this.#folder, temporary));
      const tensors = Object.entries(encode(waiting, this.#facts)).map(([name, tensor]) => [name, tensorSource(tensor)] as const);
      await writeSafetensors(writer, temporary, new Map(tensors));
      await renameDurably(this.#fileSystem, join(this.#folder, temporary), join(this.#folder, file));
      const digest = writer.digests.get(temporary);
      invariant(digest !== undefined, 'the shard was written');
      this.#shards.push({ file, firstRow: this.rowsWritten, numRows, ...digest });
      await this.#writeManifest();
    } catch (thrown) {
      await this.#fileSystem.remove(join(this.#folder, temporary)).catch(() => {});
      throw writeFailure(`recording "${this.#folder}"`, writer.totalBytes, thrown);
    }
  }

  async #writeManifest(): Promise<void> {
    const plain = { format: formatName, version: 1, ...factsOf(this.#facts), shards: this.#shards } as const;
    const writer = new FolderWriter(this.#fileSystem, this.#folder);
    await this.#fileSystem.remove(join(this.#folder, `${manifestName}.new`));
    await writer.writeJson(`${manifestName}.new`, { ...plain, checksum: checksumOf(plain) });
    await renameDurably(this.#fileSystem, join(this.#folder, `${manifestName}.new`), join(this.#folder, manifestName));
  }
}

/** An open recording, whose rows are read where they are asked for. Close it. */
export class Recording {
  readonly facts: RecordingFacts;
  readonly #folder: string;
  readonly #shards: readonly Shard[];
  readonly #readers = new Map<string, Promise<SafetensorsReader>>();

  private constructor(folder: string, facts: RecordingFacts, shards: readonly Shard[]) {
    this.#folder = folder;
    this.facts = facts;
    this.#shards = shards;
  }

  /**
   * Reads the manifest alone: what the recording claims to be.
   *
   * @throws AppError `file_not_found` | `bad_recording` for a manifest that was changed or cut, or a recording that is not whole
   */
  static async open(folder: string): Promise<Recording> {
    const manifest = await readManifest(folder);
    const last = manifest.shards.at(-1);
    const recorded = last === undefined ? 0 : last.firstRow + last.numRows;
    if (recorded !== manifest.numRows)
      throw badRecording(folder, `holds ${recorded} of ${manifest.numRows} rows; let the job that records it end, or record again`);
    return new Recording(folder, factsOf(manifest), manifest.shards);
  }

  /** Reads every shard once and compares it with its digest. @throws AppError `bad_recording` naming the file | `cancelled` */
  async verify(signal: AbortSignal): Promise<void> {
    for (const { file, sha256 } of this.#shards) {
      throwIfCancelled(signal);
      const found = await digestOf(join(this.#folder, file)).catch((thrown: unknown) => {
        throw badRecording(this.#folder, `${file} cannot be read: ${AppError.from(thrown).message}`);
      });
      if (found !== sha256) throw badRecording(this.#folder, `${file} has the SHA-256 ${found} instead of ${sha256}: it was changed`);
    }
  }

  /** @throws AppError `bad_recording` */
  async rows(first: number, numRows: number, signal: AbortSignal): Promise<TopAnswers> {
    const shard = this.#shardOf(first);
    const reader = await this.#reader(shard.file);
    const read = (name: string) => {
      const entry = reader.header.entries.get(name);
      if (entry === undefined || entry.shape[0] !== shard.numRows)
        throw badRecording(this.#folder, `${shard.file} has no ${name} for its rows`);
      return reader.readRows(entry, first - shard.firstRow, numRows, signal);
    };
    const [ids, logProbabilities, logTails] = await Promise.all([read('ids'), read('logProbabilities'), read('logTails')]);
    const bytes = rawBytes(ids);
    const width = idBytes(this.facts.choices);
    const { data: halves } = logProbabilities;
    const { data: tails } = logTails;
    if (!(halves instanceof Uint16Array && tails instanceof Float32Array))
      throw badRecording(this.#folder, `${shard.file} has other element types`);
    const topK = this.facts.topK;
    const made: TopAnswers = {
      kind: 'top',
      topK,
      ids: Int32Array.from({ length: numRows * topK }, (_, index) => littleEndian(bytes, index * width, width)),
      logProbabilities: halfToFloat(halves),
      logTails: tails,
    };
    normalize(made);
    return made;
  }

  async close(): Promise<void> {
    for (const reader of await Promise.allSettled(this.#readers.values())) if (reader.status === 'fulfilled') await reader.value.close();
    this.#readers.clear();
  }

  #reader(file: string): Promise<SafetensorsReader> {
    const known = this.#readers.get(file) ?? SafetensorsReader.open(join(this.#folder, file));
    this.#readers.set(file, known);
    known.catch(() => this.#readers.delete(file));
    return known;
  }

  #shardOf(row: number): Shard {
    let [low, high] = [0, this.#shards.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (at(this.#shards, middle).firstRow <= row) low = middle;
      else high = middle - 1;
    }
    return at(this.#shards, low);
  }
}

/** The tensors of a shard. */
function encode(parts: readonly TopAnswers[], { topK, choices }: RecordingFacts) {
  const numRows = parts.reduce((sum, { logTails }) => sum + logTails.length, 0);
  const width = idBytes(choices);
  const ids = new Uint8Array(numRows * topK * width);
  const halves = new Uint16Array(numRows * topK);
  const tails = new Float32Array(numRows);
  let row = 0;
  for (const part of parts) {
    part.ids.forEach((id, index) => {
      const place = (row * topK + index) * width;
      for (let byte = 0; byte < width; byte++) ids[place + byte] = id >>> (8 * byte);
    });
    halves.set(floatToHalf(part.logProbabilities), row * topK);
    tails.set(part.logTails, row);
    row += part.logTails.length;
  }
  return {
    ids: hostTensor('uint8', [numRows, topK, width], ids),
    logProbabilities: hostTensor('float16', [numRows, topK], halves),
    logTails: hostTensor('float32', [numRows], tails),
  };
}

function littleEndian(bytes: Uint8Array, start: number, width: number): number {
  let value = 0;
  for (let byte = 0; byte < width; byte++) value |= at(bytes, start + byte) << (8 * byte);
  return value;
}

/** Rounded log-probabilities do not quite sum to 1; a divergence of them would have a floor. */
function normalize({ topK, logProbabilities, logTails }: TopAnswers): void {
  for (let row = 0; row < logTails.length; row++) {
    const values = logProbabilities.subarray(row * topK, (row + 1) * topK);
    const total = values.reduce((sum, value) => sum + Math.exp(value), Math.exp(at(logTails, row)));
    const shift = Math.log(total);
    values.forEach((value, place) => {
      values[place] = Math.max(lowestLog, value - shift);
    });
    logTails[row] = Math.max(lowestLog, at(logTails, row) - shift);
  }
}

async function readManifest(folder: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(folder, manifestName), 'utf8');
  } catch (thrown) {
    const { code } = AppError.from(thrown);
    if (code !== 'file_not_found') throw AppError.from(thrown);
    throw new AppError('file_not_found', `recording "${folder}": there is no ${manifestName}. Record a teacher there first.`, {
      cause: thrown,
    });
  }
  const checked = manifestSchema.safeParse(jsonOf(text));
  if (!checked.success) throw badRecording(folder, `${manifestName} is not that of a recording: ${checked.error.issues[0]?.message ?? ''}`);
  const { checksum, ...plain } = checked.data;
  if (checksumOf(plain) !== checksum) throw badRecording(folder, `${manifestName} does not have its own checksum: it was changed`);
  return checked.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** In the order of the schema, so that equal facts give equal texts. */
function factsOf(facts: RecordingFacts): RecordingFacts {
  return z.object(factsShape).parse(facts);
}

function checksumOf(plain: Omit<Manifest, 'checksum'>): string {
  const { shards, ...facts } = plain;
  const ordered = shards.map(({ file, firstRow, numRows, sizeBytes, sha256 }) => [file, firstRow, numRows, sizeBytes, sha256]);
  return createHash('sha256')
    .update(JSON.stringify([factsOf(facts), ordered]))
    .digest('hex');
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

function badRecording(folder: string, what: string): AppError {
  return new AppError('bad_recording', `recording "${folder}": ${what}.`, { details: { recording: folder } });
}
