// Distillation of models that do not continue text: classifiers, models of hidden tokens and encoder-decoders.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chosen, quietContext } from '#base';
import { type DistillSettings, distillModel, distillSettings, type LogitDistillation, logitObjective } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import type { Graph } from '#graph';
import { buildEncoderGraph, buildPairLogitsGraph, type Model, modelInputs } from '#models';
import { type HostTensor, int64, toNumbers } from '#tensor';
import { albertConfig, bertConfig, countingTexts, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { tinyPairs as pairs, tinySequences as sequences } from '#test/tiny-pairs';
import { padTexts, pairBatch } from '#text';
import { buildGradientGraph, hideTokens, type MaskedData, type TrainingData } from '#train';
import { fingerprint, gpt2, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../train/tiny-training.ts';

const texts = tinyTexts(64);
const hiding: MaskedData = {
  lines: countingTexts(64),
  masking: { maskToken: 39, specialTokens: new Set([0, 1, 39]), share: 0.3 },
};

const classifiers = { student: tinyEncoder(bertConfig(twoLabels), 1), teacher: tinyEncoder(albertConfig(twoLabels), 2) };
const guessers = { student: tinyEncoder(bertConfig({ kind: 'masked' }), 1), teacher: tinyEncoder(bertConfig({ kind: 'masked' }), 2) };
const translators = { student: tinyModel(sequences, 1), teacher: tinyModel({ ...sequences, normPlacement: 'after' }, 2) };

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

async function run(graph: Graph, available: Readonly<Record<string, HostTensor>>): Promise<Record<string, number[]>> {
  const program = await engine.compile(graph);
  const results = await program.run(chosen(available, program.inputNames));
  const read = Object.entries(results).map(([name, buffer]) => {
    const numbers = Array.from(toNumbers(buffer.read()));
    buffer.release();
    return [name, numbers] as const;
  });
  await program.release();
  return Object.fromEntries(read);
}

/** Rows of `width` logits of a model over a batch. */
async function rowsOf(graph: Graph, model: Model, batch: Readonly<Record<string, HostTensor>>, width: number): Promise<number[][]> {
  const { logits = [] } = await run(graph, { ...Object.fromEntries(modelInputs(model)), ...batch });
  return Array.from({ length: logits.length / width }, (_, row) => logits.slice(row * width, (row + 1) * width));
}

function logSoftmax(logits: readonly number[], temperature: number): number[] {
  const scaled = logits.map((logit) => logit / temperature);
  const total = Math.log(scaled.reduce((sum, value) => sum + Math.exp(value), 0));
  return scaled.map((value) => value - total);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The formula over rows of logits and their labels. */
function expected(student: number[][], teacher: number[][], labels: readonly number[], { temperature, alpha }: LogitDistillation) {
  const crossEntropy = mean(student.map((row, index) => -logSoftmax(row, 1)[labels[index]!]!));
  const divergence = mean(
    student.map((row, index) => {
      const q = logSoftmax(row, temperature);
      return logSoftmax(teacher[index]!, temperature).reduce((sum, p, choice) => sum + Math.exp(p) * (p - q[choice]!), 0);
    }),
  );
  return { crossEntropy, divergence, loss: (1 - alpha) * crossEntropy + alpha * temperature ** 2 * divergence };
}

interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly sourceLength?: number;
}

async function measured(
  { student, teacher }: { readonly student: Model; readonly teacher: Model },
  settings: LogitDistillation,
  sizes: Sizes,
  batch: Readonly<Record<string, HostTensor>>,
  hidden?: number,
): Promise<Record<string, number[]>> {
  const objective = logitObjective(engine, teacher, settings, hidden === undefined ? undefined : () => hidden);
  const { graph } = buildGradientGraph(student, objective, { ...sizes, trained: [], accumulates: false });
  const held = Object.entries(objective.inputs).map(([name, buffer]) => [name, buffer.read()] as const);
  const results = await run(graph, { ...Object.fromEntries(modelInputs(student)), ...Object.fromEntries(held), ...batch });
  objective.release();
  return results;
}

const settings: LogitDistillation = { temperature: 2, alpha: 0.7 };

describe('logitObjective of other tasks', () => {
  it('compares the logits of the labels of texts', async () => {
    const few = texts.slice(0, 6);
    const batch = {
      ...padTexts(few, 16, 0),
      labels: int64(
        [6],
        few.map(({ label }) => label),
      ),
    };
    const sizes = { batch: 6, length: 16 };
    const [student, teacher] = await Promise.all(
      [classifiers.student, classifiers.teacher].map((model) => rowsOf(buildEncoderGraph(model, sizes), model, batch, 2)),
    );
    const formula = expected(
      student!,
      teacher!,
      few.map(({ label }) => label),
      settings,
    );
    const found = await measured(classifiers, settings, sizes, batch);
    expect(found['loss']![0]).toBeCloseTo(formula.loss, 5);
    expect(found['divergence']![0]).toBeCloseTo(formula.divergence, 5);
    expect(found['crossEntropy']![0]).toBeCloseTo(formula.crossEntropy, 5);
    const right = student!.filter((row, index) => row.indexOf(Math.max(...row)) === few[index]!.label).length;
    expect(found['accuracy']![0]).toBeCloseTo(right / 6, 6);
  });

  it('compares the targets of pairs, and does not look at their padding', async () => {
    const four = pairs.pairs.slice(0, 4);
    const batch = { ...pairBatch(four, { sourceLength: 5, length: 6, padToken: 0 }) };
    const sizes = { batch: 4, length: 6, sourceLength: 5 };
    const read = four.flatMap(({ target }) => {
      const shifted = [1, ...Array.from(target).slice(0, -1)];
      return Array.from({ length: 6 }, (_, column) => shifted[column] ?? 0);
    });
    const data = { ...batch, tokens: int64([4, 6], read) };
    const labels = four.flatMap(({ target }) => Array.from({ length: 6 }, (_, column) => target[column] ?? -1));
    const counted = (rows: number[][]): number[][] => rows.filter((_, index) => labels[index]! >= 0);
    const [student, teacher] = await Promise.all(
      [translators.student, translators.teacher].map(async (model) =>
        counted(await rowsOf(buildPairLogitsGraph(model, sizes), model, data, sequences.vocabularySize)),
      ),
    );
    const formula = expected(
      student!,
      teacher!,
      labels.filter((label) => label >= 0),
      settings,
    );
    const found = await measured(translators, settings, sizes, batch);
    expect(found['loss']![0]).toBeCloseTo(formula.loss, 4);
    expect(found['divergence']![0]).toBeCloseTo(formula.divergence, 4);
  });

  it('compares hidden tokens alone', async () => {
    const padded = padTexts(hiding.lines.slice(0, 4), 13, 0);
    const hidden = hideTokens(padded, 40, hiding.masking, 3);
    const batch = { ...padded, ...hidden };
    const sizes = { batch: 4, length: 13 };
    const used = Array.from(hidden.rows.data, Number).filter((_, index) => hidden.weights.data[index] === 1);
    const [student, teacher] = await Promise.all(
      [guessers.student, guessers.teacher].map(async (model) => {
        const rows = await rowsOf(buildEncoderGraph(model, sizes), model, batch, 40);
        return used.map((row) => rows[row]!);
      }),
    );
    const formula = expected(student!, teacher!, Array.from(hidden.labels.data, Number).slice(0, used.length), settings);
    const found = await measured(guessers, settings, sizes, batch, hidden.rows.shape[0]!);
    expect(found['loss']![0]).toBeCloseTo(formula.loss, 4);
  });
});

describe('distillModel of other tasks', () => {
  const full = (changes: Partial<DistillSettings> = {}): DistillSettings =>
    distillSettings({ ...tinySettings({ steps: 30, batchSize: 8, sequenceLength: 16, sourceLength: 5 }), ...changes });

  it.each([
    ['classifiers', classifiers, { texts }],
    ['models of hidden tokens', guessers, hiding],
    ['encoder-decoders', translators, pairs],
  ] as const)('brings %s to their teachers, and goes on from a checkpoint bit for bit', async (_, models, corpus: TrainingData) => {
    const { reports, ...context } = watch();
    const checkpoints = new MemoryKeeper();
    const request = { ...models, corpus, settings: full({ learningRate: 0.01, checkpointEvery: 27 }), checkpoints };
    const straight = await distillModel(request, engine, context);
    const divergences = reports.map(({ metrics }) => metrics!['divergence']!);
    expect(mean(divergences.slice(-5))).toBeLessThan(0.7 * mean(divergences.slice(0, 5)));
    const resumed = await distillModel(request, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('refuses teachers that answer something else, and data of another kind', async () => {
    const attempt = (changes: object) =>
      distillModel({ ...classifiers, corpus: { texts }, settings: full(), ...changes }, engine, quietContext);
    const other = tinyEncoder(bertConfig({ kind: 'classify', labels: ['high', 'low'] }));
    await expect(attempt({ teacher: other })).rejects.toThrow(/labels \(low, high\) are not the teacher's \(high, low\)/);
    await expect(attempt({ teacher: guessers.teacher })).rejects.toThrow(/task classify.*task masked/);
    await expect(attempt({ corpus: tinyCorpus() })).rejects.toThrow(/learns from texts with labels, and got running text/);
    const generator = tinyModel({ ...gpt2, vocabularySize: 31 });
    await expect(attempt({ ...translators, teacher: generator, corpus: pairs })).rejects.toThrow(/answer other questions/);
    const started = tinyModel({ ...sequences, startToken: 4 });
    await expect(attempt({ ...translators, teacher: started, corpus: pairs })).rejects.toThrow(/begin with token 1 .* and 4/);
  });
});
