// What adapting a frozen model costs and gives: full fine-tuning, low-rank updates, adapters, prompts, biases and side networks.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietContext, Random } from '#base';
import { WindowCalibration } from '#compress';
import { evaluateModel } from '#evaluate';
import { parameterCounts } from '#models';
import { importHuggingFace } from '#store';
import { textFromStrings, tokenizeCorpus, tokenizerFromFiles, WindowSampler } from '#text';
import { ActivationFolder } from '../../../src/jobs/activation-folder.ts';
import { sharedFolder } from '../../support/shared.ts';
import { wikiModelFolder } from '../wiki-model.ts';
import { type Cell, inOrder, madeFrom, recipeCell, type StudyScale, type TrainedStudy } from './study.ts';
import { openClassifier, openWiki, type Subject } from './subjects.ts';

const epochs = 3;
const heldOutCharacters = 50_000;
const facts = ['added MB', 'device MB', 'process MB', 'first epoch, s', 'later epochs, s'] as const;

type Make = (training: object) => object;
const ladder =
  (settings: object): Make =>
  (training) => ({ ladder: { reduction: 4, mixOutput: true, cache: 'none', ...settings, training } });
const methods: Readonly<Record<string, Make>> = {
  'full fine-tuning': (training) => ({ distill: { ...training, teacher: 'none' } }),
  LoRA: (training) => ({ lora: { method: 'lora', rank: 8, training } }),
  adapters: (training) => ({ lora: { method: 'adapter', width: 16, training } }),
  prompt: (training) => ({ lora: { method: 'prompt', length: 20, training } }),
  BitFit: (training) => ({ lora: { method: 'bitfit', training } }),
  'ladder, no cache': ladder({}),
  'ladder, cache': ladder({ cache: 'float32' }),
  'ladder, cache in 16 bit': ladder({ cache: 'float16' }),
  'ladder, random start': ladder({ initial: 'random' }),
  'ladder as published': ladder({ reduction: 8, mixOutput: false }),
};

/** The Wikipedia model learns Shakespeare's plays. */
export async function openSideTuning(scale: StudyScale): Promise<TrainedStudy> {
  const subject = await onShakespeare(await openWiki(scale.rows), scale);
  return sideTuningStudy(subject, scale, 3e-4);
}

/** MiniLM, with a head that knows nothing, learns SST-2. */
export async function openSideTuningSst2(scale: StudyScale): Promise<TrainedStudy> {
  const subject = await openClassifier('sst2', scale.rows, { tuned: false });
  if (!('texts' in subject.corpus)) throw new Error('SST-2 is labelled texts');
  const { texts } = subject.corpus;
  const chosen = new Random(0).permutation(texts.length).slice(0, Math.floor((scale.steps * 32) / epochs));
  return sideTuningStudy({ ...subject, corpus: { texts: Array.from(chosen, (row) => texts[row]!) } }, scale, 1e-4);
}

/** Trained on as many windows as make three epochs, measured on the last tenth. */
async function onShakespeare(subject: Subject, { steps, rows }: StudyScale): Promise<Subject> {
  if (sharedFolder === undefined) throw new Error('Shakespeare is read from ../shared/data, which is not there');
  const [batchSize, sequenceLength, window] = [4, 128, 256];
  const { tokenizerFiles } = await importHuggingFace(wikiModelFolder);
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const text = readFileSync(join(sharedFolder, 'data/lm/tinyshakespeare/input.txt'), 'utf8');
  const cut = Math.floor(text.length * 0.9);
  const corpusOf = async (part: string) => await tokenizeCorpus(textFromStrings([part]), tokenizer, quietContext);
  const whole = await corpusOf(text.slice(0, cut));
  const heldOut = await corpusOf(text.slice(cut).slice(0, rows > 0 ? 100 * rows : heldOutCharacters));
  const windows = Math.min(Math.floor((steps * batchSize) / epochs), Math.floor((whole.tokens.length - 1) / sequenceLength));
  const corpus = { ...whole, tokens: whole.tokens.slice(0, windows * sequenceLength + 1) };
  const { engine } = subject;
  return {
    ...subject,
    name: 'wiki-gpt2-7m on Shakespeare',
    corpus,
    calibration: new WindowCalibration(engine, async function* () {
      const sampler = new WindowSampler(corpus.tokens, { batch: 4, window: sequenceLength, seed: 1 });
      for (let drawn = 0; drawn < Math.min(64, windows); drawn += 4) yield sampler.next().tokens;
    }),
    score: async (model) =>
      (await evaluateModel(model, { corpus: heldOut, window, stride: window, latency: false }, engine, quietContext)).bitsPerByte,
  };
}

function sideTuningStudy(subject: Subject, { steps }: StudyScale, fullLearningRate: number): TrainedStudy {
  // Full fine-tuning wants smaller steps than what begins at zero; the others have defaults of their own.
  const { learningRate: _, ...common } = subject.training;
  const training = { ...common, steps, warmupSteps: Math.ceil(steps / 16) };
  const cells = Object.entries(methods).map(([key, make]) => {
    const settings = key === 'full fine-tuning' ? { ...training, learningRate: fullLearningRate } : training;
    return adaptingCell(subject, key, steps, make(settings));
  });
  return {
    title: `Side-tuning, ${subject.name}`,
    measure: subject.measure,
    setting: `${subject.name}, ${steps} steps in ${epochs} epochs; each in a process of its own. Device MB: weights, gradients and moments; process MB: by how much the process grew`,
    cells: [recipeCell(subject, 'before', 0, []), ...cells],
    claims: [
      ...inOrder('full fine-tuning', 'LoRA', 'ladder, no cache', 'before'),
      { better: 'ladder, no cache', worse: 'ladder, random start' },
      { better: 'ladder, no cache', worse: 'ladder as published' },
      { better: 'LoRA', worse: 'BitFit' },
      { better: 'LoRA', worse: 'prompt' },
      { better: 'ladder, cache in 16 bit', worse: 'ladder, no cache', slack: 0.005 },
    ],
    factClaims: [
      { fact: 'process MB', order: ['ladder, no cache', 'LoRA', 'full fine-tuning'] },
      { fact: 'later epochs, s', order: ['ladder, cache', 'ladder, no cache', 'LoRA', 'full fine-tuning'] },
    ],
    facts,
    isolated: true,
    close: () => subject.engine.dispose(),
  };
}

function adaptingCell(subject: Subject, key: string, steps: number, step: object): Cell {
  const make: Cell['make'] = async (seed) => {
    const folder = await mkdtemp(join(tmpdir(), 'side-tuning-'));
    const held = process.memoryUsage.rss();
    let [peak, deviceBytes] = [0, 0];
    const watching = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 10);
    const stepEnds: number[] = [];
    const report = ({ metrics }: { readonly metrics?: Readonly<Record<string, number>> }): void => {
      if (metrics?.['gradientNorm'] === undefined) return;
      stepEnds.push(performance.now());
      deviceBytes = Math.max(deviceBytes, metrics['deviceBytes'] ?? 0);
    };
    try {
      const activations = new ActivationFolder(join(folder, 'activations'));
      const { model } = await madeFrom(subject, [step], seed, { ...quietContext, report }, activations);
      clearInterval(watching);
      const perEpoch = Math.floor(steps / epochs);
      const between = (from: number, to: number): number => ((stepEnds[to] ?? Number.NaN) - (stepEnds[from] ?? Number.NaN)) / 1000;
      const { storedBytes } = parameterCounts(model);
      const figures = [
        (storedBytes - parameterCounts(subject.model).storedBytes) / 1e6,
        deviceBytes / 1e6,
        Math.max(0, peak - held) / 1e6,
        // The first step compiles; each epoch is told by its other steps.
        (between(0, perEpoch - 1) * perEpoch) / (perEpoch - 1),
        between(perEpoch, steps - 1) / (epochs - 1 - 1 / perEpoch),
      ];
      return {
        score: await subject.score(model),
        storedBytes,
        facts: Object.fromEntries(facts.map((name, index) => [name, figures[index] ?? 0])),
      };
    } finally {
      clearInterval(watching);
      await rm(folder, { recursive: true, force: true });
    }
  };
  return { key, steps, make };
}
