// What adapting a frozen model costs and gives: full fine-tuning, low-rank updates, adapters, prompts, biases and side networks, on the small Wikipedia model
// and Shakespeare, or on MiniLM and SST-2. Every cell is a process of its own, so that its memory is its own; what is measured already is left out.
// Usage: npx tsx test/bench/side-tuning.ts wiki|sst2 [steps] [seeds] [part of a key]
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { quietContext, Random } from '#base';
import { compressModel, parseRecipe, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier, evaluateModel } from '#evaluate';
import { type Model, parameterCounts, withTask } from '#models';
import { importHuggingFace } from '#store';
import { int64 } from '#tensor';
import {
  distinctLabels,
  encodeLabelled,
  padTexts,
  readLabelled,
  SentenceEncoder,
  textFromStrings,
  tokenizeCorpus,
  tokenizerFromFiles,
  WindowSampler,
} from '#text';
import type { TrainingData } from '#train';
import { ActivationFolder } from '../../src/jobs/activation-folder.ts';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import { miniLmFolder } from '../support/minilm.ts';
import { sharedFolder } from '../support/shared.ts';

/** One line of the file of results. */
interface Cell {
  readonly key: string;
  readonly subject: string;
  readonly method: string;
  readonly steps: number;
  readonly seed: number;
  readonly score: number;
  /** Before any training. */
  readonly scoreBefore: number;
  readonly addedBytes: number;
  /** In device buffers after a step: weights, gradients, moments. */
  readonly deviceBytes: number;
  /** Of the process while it trained, less what it held before. */
  readonly grownBytes: number;
  readonly firstEpochSeconds: number;
  /** The mean of the others. */
  readonly laterEpochSeconds: number;
  readonly note: string;
}

interface Subject {
  readonly model: Model;
  readonly corpus: TrainingData;
  readonly calibration: WindowCalibration;
  readonly training: object;
  score(model: Model): Promise<number>;
}

const epochs = 3;
const methods: Readonly<Record<string, (training: object) => object>> = {
  'full fine-tuning': (training) => ({ distill: { ...training, teacher: 'none' } }),
  LoRA: (training) => ({ lora: { method: 'lora', rank: 8, training } }),
  adapters: (training) => ({ lora: { method: 'adapter', width: 16, training } }),
  prompt: (training) => ({ lora: { method: 'prompt', length: 20, training } }),
  BitFit: (training) => ({ lora: { method: 'bitfit', training } }),
  'ladder, no cache': (training) => ({ ladder: { reduction: 4, mixOutput: true, cache: 'none', training } }),
  'ladder, cache': (training) => ({ ladder: { reduction: 4, mixOutput: true, cache: 'float32', training } }),
  'ladder, cache in 16 bit': (training) => ({ ladder: { reduction: 4, mixOutput: true, cache: 'float16', training } }),
  'ladder, random start': (training) => ({ ladder: { reduction: 4, mixOutput: true, initial: 'random', cache: 'none', training } }),
  'ladder as published': (training) => ({ ladder: { reduction: 8, cache: 'none', training } }),
};

if (sharedFolder === undefined) throw new Error('texts are read from ../shared/data, which is not there');
const shared = (path: string): string => join(sharedFolder ?? '', 'data', path);

/** Bits per byte on the last tenth of Shakespeare; three epochs of windows of 128 tokens. */
async function wiki(engine: Engine, steps: number): Promise<Subject> {
  const batchSize = 8;
  const sequenceLength = 128;
  const { model, tokenizerFiles } = await importHuggingFace(fileURLToPath(new URL('../fixtures/models/wiki-gpt2-7m', import.meta.url)));
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const text = readFileSync(shared('lm/tinyshakespeare/input.txt'), 'utf8');
  const cut = Math.floor(text.length * 0.9);
  const [whole, heldOut] = [
    await tokenizeCorpus(textFromStrings([text.slice(0, cut)]), tokenizer, quietContext),
    await tokenizeCorpus(textFromStrings([text.slice(cut)]), tokenizer, quietContext),
  ];
  const windows = Math.min(Math.floor((steps * batchSize) / epochs), Math.floor((whole.tokens.length - 1) / sequenceLength));
  const corpus = { ...whole, tokens: whole.tokens.slice(0, windows * sequenceLength + 1) };
  return {
    model,
    corpus,
    calibration: new WindowCalibration(engine, async function* () {
      const sampler = new WindowSampler(corpus.tokens, { batch: 4, window: sequenceLength, seed: 1 });
      for (let drawn = 0; drawn < Math.min(64, windows); drawn += 4) yield sampler.next().tokens;
    }),
    training: { batchSize, sequenceLength },
    score: async (which) =>
      (await evaluateModel(which, { corpus: heldOut, window: 256, stride: 256, latency: false }, engine, quietContext)).bitsPerByte,
  };
}

/** Errors in percent on the development set; three epochs of sentences. */
async function sst2(engine: Engine, steps: number, seed: number): Promise<Subject> {
  const batchSize = 32;
  const sequenceLength = 64;
  const found = await miniLmFolder();
  if ('missing' in found) throw new Error(found.missing);
  const { model: encoder, tokenizerFiles } = await importHuggingFace(found.folder);
  const read = (name: string) => readLabelled(shared(`classification/sst2/${name}`), { text: 'sentence', label: 'label' });
  const [rows, devRows] = [await read('train.tsv'), await read('dev.tsv')];
  const labels = distinctLabels(devRows);
  const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), sequenceLength);
  const chosen = new Random(seed).permutation(rows.length).slice(0, Math.floor((steps * batchSize) / epochs));
  const texts = await encodeLabelled(
    Array.from(chosen, (row) => rows[row]!),
    labels,
    sentences,
    quietContext,
  );
  const dev = await encodeLabelled(devRows, labels, sentences, quietContext);
  return {
    model: withTask(encoder, { kind: 'classify', labels }, new Random(seed)),
    corpus: { texts },
    calibration: new WindowCalibration(engine, async function* () {
      const sample = texts.slice(0, 256);
      for (let start = 0; start < sample.length; start += 16) {
        const part = sample.slice(start, start + 16);
        const longest = part.reduce((most, { ids }) => Math.max(most, ids.length), 0);
        yield {
          ...padTexts(part, longest, 0),
          labels: int64(
            [part.length],
            part.map(({ label }) => label),
          ),
        };
      }
    }),
    training: { batchSize, sequenceLength },
    score: async (which) => 100 * (1 - (await evaluateClassifier(which, { texts: dev }, engine, quietContext)).accuracy),
  };
}

async function measure(key: string, subjectName: string, method: string, steps: number, seed: number): Promise<Cell> {
  const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
  const folder = await mkdtemp(join(tmpdir(), 'side-tuning-'));
  try {
    const subject = await { wiki, sst2 }[subjectName === 'sst2' ? 'sst2' : 'wiki'](engine, steps, seed);
    const { model, corpus, calibration } = subject;
    const make = methods[method];
    if (make === undefined) throw new Error(`unknown method ${method}`);
    // Full fine-tuning wants smaller steps than what begins at zero; the others have defaults of their own.
    const rate = method === 'full fine-tuning' ? { learningRate: subjectName === 'sst2' ? 1e-4 : 3e-4 } : {};
    const training = { ...subject.training, ...rate, steps, warmupSteps: Math.ceil(steps / 16), checkpointEvery: 0 };
    const recipe = parseRecipe({ steps: [make(training)], seed }, recipeMethods);
    const scoreBefore = await subject.score(model);
    const held = process.memoryUsage.rss();
    let peak = 0;
    let deviceBytes = 0;
    const stepEnds: number[] = [];
    const watching = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 10);
    const report = ({ metrics }: { readonly metrics?: Readonly<Record<string, number>> }): void => {
      if (metrics?.['gradientNorm'] === undefined) return;
      stepEnds.push(performance.now());
      deviceBytes = Math.max(deviceBytes, metrics['deviceBytes'] ?? 0);
    };
    const material = new RecipeTraining({
      engine,
      corpus,
      seed,
      teacher: async () => model,
      activations: new ActivationFolder(join(folder, 'activations')),
    });
    const made = await compressModel(
      model,
      recipe,
      { engine, calibration, ofStep: () => ({ training: material }) },
      { report, signal: quietContext.signal },
    );
    clearInterval(watching);
    const perEpoch = Math.floor(steps / epochs);
    const between = (from: number, to: number): number => ((stepEnds[to] ?? Number.NaN) - (stepEnds[from] ?? Number.NaN)) / 1000;
    // The first step compiles; each epoch is told by its other steps.
    const whole = perEpoch / (perEpoch - 1);
    return {
      key,
      subject: subjectName,
      method,
      steps,
      seed,
      score: await subject.score(made.model),
      scoreBefore,
      addedBytes: parameterCounts(made.model).storedBytes - parameterCounts(model).storedBytes,
      deviceBytes,
      grownBytes: Math.max(0, peak - held),
      firstEpochSeconds: between(0, perEpoch - 1) * whole,
      laterEpochSeconds: between(perEpoch, steps - 1) / (epochs - 1 - 1 / perEpoch),
      note: made.report.steps[0]?.note ?? '',
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await engine.dispose();
  }
}

function table(cells: readonly Cell[]): string {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const lines = [...new Set(cells.map(({ method }) => method))].map((method) => {
    const all = cells.filter((cell) => cell.method === method);
    const of = (pick: (cell: Cell) => number): number => mean(all.map(pick));
    const spread = Math.sqrt(mean(all.map(({ score }) => (score - of((cell) => cell.score)) ** 2)));
    const score = `${of((cell) => cell.score).toFixed(4)}${all.length > 1 ? ` ± ${spread.toFixed(4)}` : ''}`;
    const memory = [of((cell) => cell.deviceBytes), of((cell) => cell.grownBytes), of((cell) => cell.addedBytes)].map(megabytes);
    const seconds = [of((cell) => cell.firstEpochSeconds), of((cell) => cell.laterEpochSeconds)].map((value) => value.toFixed(2));
    return `| ${[method, score, ...memory, ...seconds].join(' | ')} |`;
  });
  const [first] = cells;
  return [
    `Score ${first?.subject === 'sst2' ? '(errors, %)' : '(bits per byte)'} before: ${first?.scoreBefore.toFixed(4) ?? '-'}; ${first?.steps ?? 0} steps, ${epochs} epochs, ${new Set(cells.map(({ seed }) => seed)).size} seeds.`,
    '',
    '| method | score | device MB | process MB | added MB | first epoch, s | later epochs, s |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

const [subjectName = 'wiki', stepsText = '300', seedsText = '1', only = '', cell] = process.argv.slice(2);
const steps = Number(stepsText);
if (cell !== undefined) {
  const [method = '', seed = '0'] = only.split('#');
  process.stdout.write(`\n${JSON.stringify(await measure(cell, subjectName, method, steps, Number(seed)))}\n`);
} else {
  const results = fileURLToPath(new URL(`results/side-tuning-${subjectName}`, import.meta.url));
  const known = (): Cell[] =>
    existsSync(`${results}.jsonl`)
      ? readFileSync(`${results}.jsonl`, 'utf8')
          .split('\n')
          .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Cell]))
      : [];
  for (const seed of Array.from({ length: Number(seedsText) }, (_, index) => index))
    for (const method of Object.keys(methods)) {
      const key = `${subjectName} ${method} ${steps} ${seed}`;
      if (!key.includes(only) || known().some((each) => each.key === key)) continue;
      const script = [...process.execArgv, fileURLToPath(import.meta.url)];
      const child = await promisify(execFile)(process.execPath, [...script, subjectName, stepsText, '1', `${method}#${seed}`, key], {
        maxBuffer: 2 ** 24,
      });
      const line = child.stdout.trim().split('\n').at(-1) ?? '';
      appendFileSync(`${results}.jsonl`, `${line}\n`);
      const { score, laterEpochSeconds } = JSON.parse(line) as Cell;
      console.log(`${key}: ${score.toFixed(4)}, ${laterEpochSeconds.toFixed(2)} s an epoch`);
    }
  const cells = known().filter((each) => each.steps === steps);
  writeFileSync(`${results}.md`, table(cells));
  console.log(table(cells));
}
