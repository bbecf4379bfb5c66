// Distillation from logits: the loss is the formula's, the student comes to its teacher, and the teacher stays as it is.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type DistillSettings, distillModel, distillSettings, type LogitDistillation, logitObjective } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients, type Value, verifyGraph } from '#graph';
import { buildLogitsGraph, causalNetwork, graphNames, type Model, modelInputs, parameterSpecs, replaceParameters } from '#models';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { noScheme } from '#test/no-scheme';
import { type Objective, Trainer } from '#train';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../train/tiny-training.ts';

const corpus = tinyCorpus();
const [batch, length] = [2, 5];
const vocabularySize = gpt2.vocabularySize;
const tokens = int64([batch, length], [1, 5, 9, 3, 0, 7, 28, 2, 2, 11]);
const labels = int64([batch, length], [5, 9, 3, 0, 4, 28, 2, 2, 11, 6]);
const student = tinyModel(gpt2, 1);
const teacher = tinyModel(llama, 2); // another architecture with the same vocabulary

let onnx: Engine;
beforeAll(async () => {
  onnx = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(onnx.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => onnx.dispose());

interface Measured {
  readonly loss: number;
  readonly crossEntropy: number;
  readonly divergence: number;
  /** Of the student's token embedding, which is its head too. */
  readonly gradient: Float64Array;
}

/** Loss and gradient of the student in float64 rounding of the reference engine. */
async function measure(settings: LogitDistillation, models = { student, teacher }, piecesAsOf = vocabularySize): Promise<Measured> {
  const engine = createReferenceEngine();
  const objective = logitObjective(engine, models.teacher, settings);
  const b = new GraphBuilder();
  const inputs = {
    tokens: b.input(graphNames.tokens, 'int64', [batch, length]),
    labels: b.input(graphNames.labels, 'int64', [batch, length]),
  };
  const network = causalNetwork(b, models.student, inputs.tokens);
  const { loss, metrics } = objective.build({
    b,
    student: network,
    networkOf: (model, prefix = '') => causalNetwork(b, model, inputs.tokens, { prefix }),
    task: { kind: 'causal' },
    vocabularySize: piecesAsOf,
    scheme: noScheme(b),
    ...inputs,
  });
  const [gradient] = gradients(b, loss, [network.parameterInputs.get('embed.token.weight')!]) as [Value];
  const graph = b.graph({ loss, ...metrics, gradient });
  verifyGraph(graph);
  const program = await engine.compile(graph);
  const results = await program.run({ ...Object.fromEntries(modelInputs(models.student)), ...objective.inputs, tokens, labels });
  const numbers = (name: string): Float64Array => Float64Array.from(toNumbers(results[name]!.read()));
  const measured = { loss: numbers('loss')[0]!, crossEntropy: numbers('crossEntropy')[0]!, divergence: numbers('divergence')[0]! };
  const all = { ...measured, gradient: numbers('gradient') };
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  objective.release();
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  return all;
}

/** Rows of logits [B*T][V]. */
async function logitsOf(model: Model): Promise<number[][]> {
  const engine = createReferenceEngine();
  const program = await engine.compile(buildLogitsGraph(model, { batch, length }));
  const { logits } = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens });
  const all = Array.from(toNumbers(logits!.read()));
  return Array.from({ length: batch * length }, (_, row) => all.slice(row * vocabularySize, (row + 1) * vocabularySize));
}

function softmax(logits: readonly number[], temperature: number): number[] {
  const exponentials = logits.map((logit) => Math.exp(logit / temperature));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / total);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('logitObjective', () => {
  it.each([
    { temperature: 1, alpha: 0.9 },
    { temperature: 2, alpha: 0.7 },
    { temperature: 0.5, alpha: 1 },
    { temperature: 3, alpha: 0 },
  ])('is (1-α)·CE + α·T²·KL with %j', async ({ temperature, alpha }) => {
    const [studentRows, teacherRows] = [await logitsOf(student), await logitsOf(teacher)];
    const crossEntropy = mean(studentRows.map((row, index) => -Math.log(softmax(row, 1)[Number(labels.data[index])]!)));
    const divergence = mean(
      studentRows.map((row, index) => {
        const q = softmax(row, temperature);
        return softmax(teacherRows[index]!, temperature).reduce((sum, p, token) => sum + p * Math.log(p / q[token]!), 0);
      }),
    );
    const measured = await measure({ temperature, alpha });
    expect(measured.crossEntropy).toBeCloseTo(crossEntropy, 5);
    expect(measured.divergence).toBeCloseTo(divergence, 5);
    expect(measured.loss).toBeCloseTo((1 - alpha) * crossEntropy + alpha * temperature ** 2 * divergence, 5);
    expect(divergence).toBeGreaterThan(0.01);
  });

  it.each([1, 2])('is zero with a zero gradient when the student is its teacher, at temperature %d', async (temperature) => {
    const { loss, gradient } = await measure({ temperature, alpha: 1 }, { student, teacher: student });
    expect(Math.abs(loss)).toBeLessThan(1e-9);
    for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-8);
  });

  it('keeps the size of its gradient at high temperatures, thanks to T²', async () => {
    const norm = async (temperature: number): Promise<number> => Math.hypot(...(await measure({ temperature, alpha: 1 })).gradient);
    const [at10, at20, at40] = [await norm(10), await norm(20), await norm(40)];
    expect(at20 / at10).toBeGreaterThan(0.8);
    expect(at20 / at10).toBeLessThan(1.25);
    expect(Math.abs(at40 / at20 - 1)).toBeLessThan(Math.abs(at20 / at10 - 1) + 0.02); // comes to a limit
  });

  it('does not see a constant that is added to all logits of the teacher', async () => {
    const shift = (model: Model): Model => {
      const head = model.parameters.get('head.weight');
      expect(head).toBeDefined();
      const { shape, data } = head!.tensors['value'] as HostTensor<'float32'>;
      // Linear weights are [in, out]: adding one column to all columns adds one number to all logits of a row.
      const [, columns] = shape as [number, number];
      const moved = data.map((value, index) => value + Math.sin(Math.floor(index / columns)));
      return replaceParameters(model, [{ ...head!, tensors: { value: hostTensor('float32', shape, moved) } }]);
    };
    const settings = { temperature: 2, alpha: 0.5 };
    const [plain, shifted] = [await measure(settings), await measure(settings, { student, teacher: shift(teacher) })];
    const [before, after] = [await logitsOf(teacher), await logitsOf(shift(teacher))];
    const differences = after[0]!.map((value, token) => value - before[0]![token]!);
    expect(Math.abs(differences[0]!)).toBeGreaterThan(0.05);
    expectAllClose(differences, new Array<number>(vocabularySize).fill(differences[0]!), { absolute: 1e-5 });
    expect(shifted.loss).toBeCloseTo(plain.loss, 5);
    expectAllClose(shifted.gradient, plain.gradient, { absolute: 1e-5 });
  });

  it.each([2 ** 24, 2 ** 23, 2 ** 22])('gives one loss in pieces as for a vocabulary of %d', async (size) => {
    const settings = { temperature: 2, alpha: 0.6 };
    const [whole, pieces] = [await measure(settings), await measure(settings, { student, teacher }, size)];
    expectAllClose([pieces.loss, pieces.crossEntropy, pieces.divergence], [whole.loss, whole.crossEntropy, whole.divergence], {
      relative: 1e-6,
    });
    expectAllClose(pieces.gradient, whole.gradient, { relative: 1e-4, absolute: 1e-7 });
  });

  it('gives the teacher no gradient and holds its weights as they were', async () => {
    const settings = tinySettings({ batchSize: batch, sequenceLength: length, learningRate: 0.1, warmupSteps: 0 });
    const objective = logitObjective(onnx, teacher, { temperature: 1, alpha: 0.5 });
    const trainer = await Trainer.create(onnx, student, objective as Objective, settings);
    for (let step = 0; step < 3; step++) await trainer.run([{ tokens, labels }], quietContext.signal);
    for (const [name, tensor] of modelInputs(teacher, 'teacher/')) expect(objective.inputs[name]!.read()).toEqual(tensor);
    expect(Object.keys(objective.inputs)).toHaveLength(parameterSpecs(teacher).size);
    await trainer.dispose();
    for (const buffer of Object.values(objective.inputs)) expect(buffer.isReleased).toBe(false); // they are the objective's
    objective.release();
  });
});

describe('distillModel', () => {
  const settings = (changes: Partial<DistillSettings> = {}): DistillSettings =>
    distillSettings({ ...tinySettings(), temperature: 1, alpha: 0.9, ...changes });

  it('brings the student to its teacher, and goes on from a checkpoint bit for bit', async () => {
    const { reports, ...context } = watch();
    const checkpoints = new MemoryKeeper();
    const request = { student, teacher, corpus, settings: settings({ steps: 40, learningRate: 0.02, checkpointEvery: 37 }), checkpoints };
    const before = [fingerprint(student), fingerprint(teacher)];
    const straight = await distillModel(request, onnx, context);
    const divergences = reports.map(({ metrics }) => metrics!['divergence']!);
    expect(divergences.at(-1)).toBeLessThan(0.7 * divergences[0]!);
    expect(reports[0]).toMatchObject({ phase: 'distill', total: 40 });
    expect([fingerprint(student), fingerprint(teacher)]).toEqual(before);
    const resumed = await distillModel(request, onnx, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('refuses a teacher with another vocabulary, before anything is held', async () => {
    const other = tinyModel({ ...llama, vocabularySize: 31 });
    await expect(distillModel({ student, teacher: other, corpus, settings: settings() }, onnx, quietContext)).rejects.toThrow(
      expect.objectContaining({ code: 'tokenizer_mismatch', message: expect.stringMatching(/student has 29 tokens and the teacher 31/) }),
    );
  });

  it('gives the teacher back when training fails', async () => {
    const empty = { ...corpus, tokens: corpus.tokens.slice(0, 3) };
    await expect(distillModel({ student, teacher, corpus: empty, settings: settings() }, onnx, quietContext)).rejects.toThrow(/empty_data/);
    await expect(
      distillModel({ student, teacher, corpus, settings: settings() }, onnx, { report: () => {}, signal: AbortSignal.abort() }),
    ).rejects.toThrow(/cancelled/);
    const short = tinyModel({ ...llama, maxPositions: 4 });
    await expect(distillModel({ student, teacher: short, corpus, settings: settings() }, onnx, quietContext)).rejects.toThrow(
      /context_too_long/,
    );
  });

  it.each([
    ['temperature', { temperature: 0 }],
    ['temperature', { temperature: Number.POSITIVE_INFINITY }],
    ['alpha', { alpha: 1.5 }],
    ['alpha', { alpha: Number.NaN }],
    ['steps', { steps: 0 }],
  ] as const)('names %s in %j', (field, given) => {
    expect(() => distillSettings(given)).toThrow(expect.objectContaining({ code: 'invalid_argument', details: { field } }));
  });

  it('fills in the defaults of training and of distillation', () => {
    expect(distillSettings({ temperature: 2 })).toMatchObject({ temperature: 2, alpha: 0.9, steps: 300, schedule: 'cosine' });
  });
});
