// Decoding and prefill of a GPT-2 of the small shape against CTranslate2, OpenVINO and transformers, turn by turn in one run: `npx tsx test/bench/decode.ts [rounds] [steps] [blocks]`.
//
// Wants ATHANOR_BENCH_PYTHON: a Python with torch, transformers, ctranslate2, openvino and nncf. Everybody has two threads, the same random weights, prompts of 100
// tokens and greedy tokens; medians over the rounds. Without a Python only our own side runs. BENCH_PEERS names the peers to run, BENCH_FORMS our forms, BENCH_BATCHES the batches; BENCH_PREFILL=0 leaves prefill out.
// BENCH_CPU=1 gives everybody one thread and counts processor time, for a machine that is busy.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type CacheFormat, initializeModel, type Model } from '#models';
import { exportHuggingFace } from '#store';
import { compileForms } from '../../src/serve/compute-forms.ts';
import type { CacheBinding } from '../../src/serve/key-value-caches.ts';
import type { StepPrograms } from '../../src/serve/step-programs.ts';
import { gpt2Small } from './gpt2-small.ts';
import { GreedySteps } from './greedy-steps.ts';
import { median } from './peer.ts';

const [rounds = 5, steps = 32, layers = 12] = process.argv.slice(2).map(Number);
/** On a machine that others use too: one thread each, and seconds of processor time. */
const isProcessorTime = process.env['BENCH_CPU'] === '1';
const [threads, promptTokens, contextTokens] = [isProcessorTime ? 1 : 2, 100, 512];
const list = (name: string, all: readonly string[]): readonly string[] =>
  process.env[name]?.split(',').filter((word) => word !== '') ?? all;
const withPrefill = process.env['BENCH_PREFILL'] !== '0';
const batches = list('BENCH_BATCHES', ['1', '8', '32']).map(Number);

const shape = { ...gpt2Small, layers, endTokens: [] };

/** The blocks and the table of tokens, which is the head too: what the others round. */
const include = ['h.*', 'embed.token.weight'];
const recipes: Readonly<Record<string, readonly object[]>> = {
  fp32: [],
  int8: [{ quantize: { method: 'dynamic', include } }],
  '8 bits': [{ quantize: { bits: 8, groupSize: 32, include } }],
  '4 bits': [{ quantize: { bits: 4, groupSize: 32, include } }],
  '4 bits in groups of 128': [{ quantize: { bits: 4, groupSize: 128, include } }],
  // The same as a server runs it: in integers where they are faster.
  '4 bits auto': [{ quantize: { bits: 4, groupSize: 128, include } }],
};
/** Behind the name of a form: keys and values in 8 bits too. */
const codedCache = ' with an int8 cache';
const forms = Object.keys(recipes).flatMap((name) => [name, name + codedCache]);
const peerKinds = [
  'ctranslate2-float32',
  'ctranslate2-int8',
  'openvino-fp32',
  'openvino-int8',
  'openvino-int8-f32',
  'transformers-fp32',
  'transformers-bf16',
];

/** One side of the comparison. */
interface Side {
  readonly name: string;
  /** Seconds of `steps` steps of one token a sequence behind a prompt. */
  decode(batch: number): Promise<number>;
  /** Seconds of one forward over whole prompts. */
  prefill(batch: number, length: number): Promise<number>;
  /** The greedy tokens after one prompt. */
  tokens(): Promise<readonly number[]>;
  stop(): Promise<void>;
}

function promptData(batch: number, length: number): number[] {
  return Array.from({ length: batch * length }, (_, cell) => (cell * 7919 + 13) % gpt2Small.vocabularySize);
}

class Ours implements Side {
  readonly name: string;
  readonly #programs: StepPrograms;
  readonly #steps: GreedySteps;

  constructor(name: string, engine: Engine, model: Model, programs: StepPrograms, cache: CacheFormat) {
    this.name = name;
    this.#programs = programs;
    this.#steps = new GreedySteps(engine, model, programs, cache);
  }

  async decode(batch: number): Promise<number> {
    return await this.#steps.withCache(batch, promptTokens + steps + 1, async (cache) => (await this.#decode(cache, batch, steps)).seconds);
  }

  async tokens(): Promise<readonly number[]> {
    return await this.#steps.withCache(1, promptTokens + 16, async (cache) => (await this.#decode(cache, 1, 15)).tokens);
  }

  async prefill(batch: number, length: number): Promise<number> {
    return await this.#steps.withCache(batch, length, async (cache) => {
      const secondsSince = startClock();
      await this.#steps.run(cache, promptData(batch, length), batch, 0);
      return secondsSince();
    });
  }

  async stop(): Promise<void> {
    await this.#programs.release();
  }

  async #decode(cache: CacheBinding, batch: number, count: number): Promise<{ seconds: number; tokens: number[] }> {
    let chosen = await this.#steps.run(cache, promptData(batch, promptTokens), batch, 0);
    const tokens = chosen.slice(0, 1);
    const secondsSince = startClock();
    for (let index = 0; index < count; index++) {
      chosen = await this.#steps.run(cache, chosen, batch, promptTokens + index);
      tokens.push(...chosen.slice(0, 1));
    }
    return { seconds: secondsSince(), tokens };
  }
}

/** Seconds since this call, by the clock of the run. */
function startClock(): () => number {
  const [wall, used] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(used);
    return isProcessorTime ? (user + system) / 1e6 : (performance.now() - wall) / 1000;
  };
}

async function startPeer(kind: string, python: string, folder: string): Promise<Side> {
  const script = fileURLToPath(new URL('./decode_peers.py', import.meta.url));
  const child = spawn(python, [script, kind, folder, String(threads), isProcessorTime ? 'processor' : 'wall'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const answer = async (): Promise<Record<string, unknown>> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${kind} ended; does its Python have all packages?`);
      // Some libraries print progress of their own.
      if (value.startsWith('{')) return JSON.parse(value) as Record<string, unknown>;
    }
  };
  const ask = async (line: string): Promise<Record<string, unknown>> => {
    child.stdin.write(`${line}\n`);
    return await answer();
  };
  await answer();
  return {
    name: kind,
    decode: async (batch) => Number((await ask(`decode ${batch} ${promptTokens} ${steps}`))['seconds']),
    prefill: async (batch, length) => Number((await ask(`prefill ${batch} ${length}`))['seconds']),
    tokens: async () => (await ask('tokens'))['tokens'] as number[],
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

async function ourSide(name: string, engine: Engine, dense: Model): Promise<Side> {
  const cache: CacheFormat = name.endsWith(codedCache) ? 'int8' : 'float32';
  const form = cache === 'int8' ? name.slice(0, -codedCache.length) : name;
  const recipe = recipes[form];
  if (recipe === undefined) throw new Error(`unknown form ${name}; known are ${forms.join('; ')}`);
  const made =
    recipe.length === 0 ? dense : (await compressModel(dense, parseRecipe({ steps: recipe }, methods), { engine }, quietContext)).model;
  const compute = form.endsWith('auto') ? 'auto' : 'exact';
  const programs = await compileForms(engine, made, { name, contextTokens, compute, cache });
  return new Ours(`athanor ${name}`, engine, made, programs, cache);
}

async function main(): Promise<void> {
  const engine = await createOnnxEngine({ device: 'cpu', threads });
  const dense = initializeModel(shape, new Random(1));
  const sides: Side[] = [];
  for (const name of list('BENCH_FORMS', [...Object.keys(recipes), `int8${codedCache}`])) sides.push(await ourSide(name, engine, dense));
  const python = process.env['ATHANOR_BENCH_PYTHON'];
  const folder = await mkdtemp(join(tmpdir(), 'decode-'));
  try {
    if (python !== undefined) {
      await exportHuggingFace(dense, new Map(), join(folder, 'model'));
      for (const kind of list('BENCH_PEERS', peerKinds)) sides.push(await startPeer(kind, python, join(folder, 'model')));
    }
    await checkTokens(sides);
    const seconds = new Map<string, number[]>();
    const take = (key: string, value: number): void => void seconds.set(key, [...(seconds.get(key) ?? []), value]);
    for (let round = 0; round < rounds; round++) {
      for (const batch of batches) for (const side of sides) take(`${side.name}/${batch}`, await side.decode(batch));
      if (withPrefill) for (const side of sides) take(`${side.name}/prefill`, await side.prefill(8, 512));
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    print(sides, (key) => median(seconds.get(key) ?? []));
  } finally {
    for (const side of sides) await side.stop();
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

/** In float32 everybody must say the same; what rounds may differ. */
async function checkTokens(sides: readonly Side[]): Promise<void> {
  const said = new Map<string, string>();
  for (const side of sides) said.set(side.name, (await side.tokens()).join(' '));
  const exact = [...said].filter(([name]) => /fp32|float32/.test(name) && !name.endsWith(codedCache));
  if (new Set(exact.map(([, tokens]) => tokens)).size > 1)
    throw new Error(`float32 sides differ: ${JSON.stringify(Object.fromEntries(exact), null, 1)}`);
}

function print(sides: readonly Side[], secondsOf: (key: string) => number): void {
  const row = (cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  const speed = (name: string, batch: number): number => (batch * steps) / secondsOf(`${name}/${batch}`);
  const prefill = (name: string): number => (withPrefill ? (8 * 512) / secondsOf(`${name}/prefill`) : Number.NaN);
  row(['tokens/s', ...batches.map((batch) => `decode, ${batch}`), 'prefill, 8×512']);
  row(['---', ...batches.map(() => '---:'), '---:']);
  for (const { name } of sides) row([name, ...batches.map((batch) => speed(name, batch).toFixed(0)), prefill(name).toFixed(0)]);
  const named = (test: (name: string) => boolean, of: (name: string) => number): number =>
    Math.max(
      ...sides
        .map(({ name }) => name)
        .filter(test)
        .map(of),
    );
  const ratio = (label: string, ours: (name: string) => boolean, theirs: (name: string) => boolean, bar: number): void => {
    const cells = batches.map((batch) =>
      (named(ours, (name) => speed(name, batch)) / named(theirs, (name) => speed(name, batch))).toFixed(2),
    );
    row([`${label} (bar ${bar})`, ...cells, '']);
  };
  const isOurs = (name: string): boolean => name.startsWith('athanor');
  ratio(
    'best format / better of CTranslate2 and OpenVINO int8',
    (name) => isOurs(name),
    (name) => /^(ctranslate2|openvino)-int8/.test(name),
    1.3,
  );
  ratio(
    'fp32 / CTranslate2 float32',
    (name) => name === 'athanor fp32',
    (name) => name === 'ctranslate2-float32',
    1,
  );
  ratio(
    'fp32 / transformers fp32',
    (name) => name === 'athanor fp32',
    (name) => name === 'transformers-fp32',
    1.4,
  );
  ratio(
    'best format / transformers',
    (name) => isOurs(name),
    (name) => name.startsWith('transformers'),
    2.5,
  );
  const prefillRatio = named((name) => name.startsWith('athanor int8'), prefill) / named((name) => name === 'transformers-bf16', prefill);
  if (withPrefill) row(['prefill: int8 / transformers bf16 (bar 1)', ...batches.map(() => ''), prefillRatio.toFixed(2)]);
}

await main();
