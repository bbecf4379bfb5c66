// Hostile files that follow the branches of the code: `npx tsx test/property/coverage-guided.ts KIND [seconds] [seed]` for safetensors, config, tokenizer or recipe.
//
// Never part of a test run. It begins with the corpus and keeps every file that reaches a block of our code that none before it reached (V8's block coverage), so
// that the next ones are made of it. What breaks a promise is left in a file: it goes into the corpus once it is mended.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { AppError, Random } from '#base';
import { type FileKind, fileKinds } from './file-kinds.ts';
import { corpus, hostileFile } from './hostile-files.ts';

const mostSeconds = 1;
/** Coverage is taken once for so many files: taking it costs more than reading a file. */
const filesAtOnce = 64;

const [name = '', secondsText = '60', seedText = '1'] = process.argv.slice(2);
const kind: FileKind | undefined = fileKinds[name];
if (kind === undefined) throw new Error(`which kind? ${Object.keys(fileKinds).join(', ')}`);
const random = new Random(Number(seedText));

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
const seen = new Set<string>();

/** Blocks of ours that were run since the last time and never before. */
async function newBlocks(): Promise<number> {
  const before = seen.size;
  const { result } = await session.post('Profiler.takePreciseCoverage');
  for (const { url, functions } of result)
    if (url.includes('/src/') && !url.includes('node_modules'))
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges) if (count > 0) seen.add(`${url}:${startOffset}-${endOffset}`);
  return seen.size - before;
}

/** Reads a file as a test does; answers what is wrong, if anything. */
function problemOf({ read, codes }: FileKind, bytes: Buffer): string | undefined {
  const before = process.cpuUsage();
  try {
    read(bytes);
  } catch (thrown) {
    if (!(thrown instanceof AppError)) return String(thrown);
    if (!codes.includes(thrown.code)) return `code ${thrown.code}`;
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  return seconds > mostSeconds ? `${seconds.toFixed(1)} s of the processor` : undefined;
}

/** Whether others can be made of a file: one that holds no tree, or nests too deeply, is an end. */
function isParent({ framing }: FileKind, bytes: Buffer): boolean {
  try {
    return fc.sample(hostileFile([{ name: '', bytes }], framing), { numRuns: 1, seed: 1 }).length === 1;
  } catch {
    return false;
  }
}

const pool = corpus(name).filter(({ bytes }) => isParent(kind, bytes));
for (const { bytes } of pool) problemOf(kind, bytes);
await newBlocks();
const [firstPool, firstBlocks] = [pool.length, seen.size];
const end = performance.now() + 1000 * Number(secondsText);
let numFiles = 0;
let problem: string | undefined;
while (performance.now() < end && problem === undefined) {
  // The youngest are the least explored.
  const youngest = pool.slice(-Math.max(4, Math.floor(pool.length / 4)));
  const parents = [random.uniform() < 0.5 ? youngest : pool]
    .map((from) => from[random.integer(from.length)])
    .filter((one) => one !== undefined);
  const files = fc.sample(hostileFile(parents, kind.framing), { numRuns: filesAtOnce, seed: random.integer(2 ** 31) });
  for (const bytes of files) {
    numFiles += 1;
    problem ??= problemOf(kind, bytes);
    if (problem === undefined) continue;
    const path = join(tmpdir(), `athanor-${name}-${numFiles}`);
    writeFileSync(path, bytes);
    process.stdout.write(`${path}: ${problem}\n`);
    break;
  }
  if ((await newBlocks()) > 0) {
    // Which of them it was is not worth asking: all are near.
    for (const bytes of files) if (isParent(kind, bytes)) pool.push({ name: `found-${pool.length}`, bytes });
  }
}
process.stdout.write(
  `${name}: ${numFiles} files, blocks reached ${firstBlocks} -> ${seen.size}, files to begin with ${firstPool} -> ${pool.length}, ${problem === undefined ? 'nothing found' : 'found something'}\n`,
);
process.exitCode = problem === undefined ? 0 : 1;
