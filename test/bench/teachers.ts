// Where a teacher is: `npx tsx test/bench/teachers.ts [steps] [seeds] [batch size] [tokens] [held-out characters] [out.jsonl]`. Goes on where it was stopped.
//
// The small Wikipedia model at half its block parameters (plain low rank) learns from the whole model: in the same graph, in floats and in 8-bit products, from recordings of its 8, 32 and
// 128 likeliest answers, and over gRPC from a server in the same process (all answers, and 32). The same batches for all; one record a cell.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import {
  choicesOf,
  type DistillSettings,
  distillFromAnswers,
  distillModel,
  distillSettings,
  TeacherProgram,
  type TeacherSource,
} from '#distill';
import { borrowModel } from '#models';
import { AthanorClient, teacherConnector } from '#server';
import { type TrainResult, trainingExamples } from '#train';
import { startServer } from '../../src/cli/compose.ts';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { recordTeacher } from '../../src/jobs/teachers/record-teacher.ts';
import { recordedTeacher } from '../../src/jobs/teachers/recorded-teacher.ts';
import { bytesPerRow, Recording, type RecordingFacts, rowStarts } from '../../src/jobs/teachers/recording.ts';
import { remoteTeacher } from '../../src/jobs/teachers/remote-teacher.ts';
import { openWikiModel } from './wiki-model.ts';

const numbers = process.argv.slice(2, 7).map(Number);
const [steps = 200, seeds = 3, batchSize = 8, sequenceLength = 128, heldOutCharacters = 200_000] = numbers;
const out = process.argv[7] ?? fileURLToPath(new URL('results/teachers.jsonl', import.meta.url));
const fixture = fileURLToPath(new URL('../fixtures/models/wiki-gpt2-7m', import.meta.url));

interface Cell {
  readonly key: string;
  readonly msPerStep: number;
  /** Mean over the last tenth of the steps: over few answers it is a lower bound of that over all. */
  readonly finalLoss: number;
  readonly bitsPerByte: number;
  /** Of the teacher's answers for one token, on disk or over the wire. */
  readonly bytesPerToken: number;
}

const known = new Map(
  (existsSync(out) ? readFileSync(out, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Cell)
    .map((cell) => [cell.key, cell]),
);

const { engine, model: teacher, corpus: whole, bitsPerByte } = await openWikiModel({ windows: 8, heldOutCharacters });
// Twice what a run reads: a recording of more would only take longer.
const corpus = { ...whole, tokens: whole.tokens.slice(0, 2 * steps * batchSize * sequenceLength + 1) };
const half = parseRecipe({ steps: [{ lowRank: { ratio: 0.5 } }] }, recipeMethods);
const { model: student } = await compressModel(teacher, half, { engine }, quietContext);
const folder = mkdtempSync(join(tmpdir(), 'athanor-teachers-'));
const choices = choicesOf(teacher);
const keyOf = (name: string, seed: number): string => `${name} ${steps}x${batchSize}x${sequenceLength} seed ${seed}`;
const settingsOf = (seed: number) =>
  distillSettings({ steps, batchSize, sequenceLength, seed, warmupSteps: Math.ceil(steps / 10), checkpointEvery: 0 });

async function cell(name: string, seed: number, bytesPerToken: number, train: () => Promise<TrainResult>): Promise<void> {
  const key = keyOf(name, seed);
  if (known.has(key)) return;
  const { model, finalLoss, seconds } = await train();
  const made: Cell = { key, msPerStep: (1000 * seconds) / steps, finalLoss, bitsPerByte: await bitsPerByte(model), bytesPerToken };
  appendFileSync(out, `${JSON.stringify(made)}\n`);
  known.set(key, made);
}

const answered = (source: TeacherSource, seed: number): Promise<TrainResult> =>
  distillFromAnswers({ model: student, teacher: source, corpus, settings: settingsOf(seed) }, engine, quietContext);

async function recorded(topK: number): Promise<Recording> {
  const examples = trainingExamples(teacher, corpus, { sequenceLength });
  const facts: RecordingFacts = {
    examples: examples.kind,
    numExamples: examples.count,
    numRows: rowStarts(examples).at(-1) ?? 0,
    topK,
    temperature: 1,
    choices,
    sequenceLength,
    sourceLength: sequenceLength,
    teacher: { reference: 'wiki@1', hash: 'wiki' },
    tokenizerHash: corpus.tokenizerHash,
    dataFingerprint: corpus.fingerprint,
    examplesHash: examples.hash(),
  };
  const weights = borrowModel(engine, teacher);
  const program = new TeacherProgram(engine, teacher, weights);
  const ask: Parameters<typeof recordTeacher>[0]['ask'] = (batch, signal) => program.answers(batch, { kind: 'top', topK }, 1, signal);
  await recordTeacher({ folder: join(folder, `top-${topK}`), facts, examples, batchSize: 8, ask }, quietContext);
  await program.release();
  for (const buffer of Object.values(weights)) buffer.release();
  return Recording.open(join(folder, `top-${topK}`));
}

const names = ['resident', 'resident, 8-bit products', 'recorded 8', 'recorded 32', 'recorded 128', 'remote all', 'remote 32'] as const;
const missing = (name: string): number[] =>
  Array.from({ length: seeds }, (_, seed) => seed).filter((seed) => !known.has(keyOf(name, seed)));

const resident: Readonly<Record<string, Partial<DistillSettings>>> = {
  resident: {},
  'resident, 8-bit products': { teacherProducts: 'int8' },
};
for (const [name, changes] of Object.entries(resident))
  for (const seed of missing(name)) {
    const settings = { ...settingsOf(seed), ...changes };
    await cell(name, seed, 0, () => distillModel({ student, teacher, corpus, settings }, engine, quietContext));
  }
for (const topK of [8, 32, 128]) {
  const name = `recorded ${topK}`;
  if (missing(name).length === 0) continue;
  const recording = await recorded(topK);
  const source = recordedTeacher(recording, trainingExamples(student, corpus, { sequenceLength }));
  for (const seed of missing(name)) await cell(name, seed, bytesPerRow(topK, choices), () => answered(source, seed));
  await recording.close();
}
if (missing('remote all').length + missing('remote 32').length > 0) {
  const running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0', checkResults: false });
  const target = `127.0.0.1:${running.server.port}`;
  const client = new AthanorClient(target);
  await client.unary(client.protocol.model.Import, { name: 'wiki', path: fixture });
  client.close();
  const connection = teacherConnector()(target);
  const model = await connection.describe('wiki');
  const forms = { 'remote all': { kind: 'full' }, 'remote 32': { kind: 'top', topK: 32 } } as const;
  for (const [name, form] of Object.entries(forms))
    for (const seed of missing(name)) {
      const bytes = form.kind === 'full' ? 2 * choices : 8 * form.topK + 4;
      await cell(name, seed, bytes, () => answered(remoteTeacher(connection, model, form, 1), seed));
    }
  connection.close();
  await running.stop();
}
rmSync(folder, { recursive: true, force: true });

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
console.log(
  `| teacher, ${steps} steps of ${batchSize}x${sequenceLength}, ${seeds} seeds | ms a step | final loss | bits per byte | bytes a token |`,
);
console.log('| --- | --- | --- | --- | --- |');
console.log(`| none: the student before | | | ${(await bitsPerByte(student)).toFixed(4)} | |`);
for (const name of names) {
  const cells = Array.from({ length: seeds }, (_, seed) => known.get(keyOf(name, seed))).filter((each) => each !== undefined);
  const of = (part: (each: Cell) => number): number => median(cells.map(part));
  const figures = [
    of((each) => each.msPerStep).toFixed(0),
    of((each) => each.finalLoss).toFixed(4),
    of((each) => each.bitsPerByte).toFixed(4),
  ];
  console.log(`| ${name} | ${figures.join(' | ')} | ${of((each) => each.bytesPerToken)} |`);
}
await engine.dispose();
