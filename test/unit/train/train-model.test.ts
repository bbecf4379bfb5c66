// Training: it learns, it is deterministic, it stops and goes on exactly, and it leaves nothing behind.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ErrorCode, quietContext } from '#base';
import type { CompileOptions, Engine, Program } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, topologicalOrder } from '#graph';
import { denseParameter, type Model, replaceParameters, storedTensors } from '#models';
import { float32, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import type { TokenBatch } from '#text';
import { buildGradientGraph, crossEntropyObjective, type Objective, Trainer, type TrainSettings, trainModel, trainSettings } from '#train';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from './tiny-training.ts';

const corpus = tinyCorpus();
const objective = crossEntropyObjective();
const coded = (code: ErrorCode, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) });

let onnx: Engine;
beforeAll(async () => {
  onnx = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(onnx.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => onnx.dispose());

const train = (changes: Partial<TrainSettings> = {}, model: Model = tinyModel(gpt2), engine = onnx) =>
  trainModel({ model, objective, corpus, settings: tinySettings(changes) }, engine, quietContext);

describe('trainModel', () => {
  it.each([
    ['gpt2', gpt2],
    ['llama', llama],
  ])('lowers the loss of a %s', async (_, config) => {
    const { reports, ...context } = watch();
    const settings = tinySettings({ steps: 60, learningRate: 0.02 });
    const result = await trainModel({ model: tinyModel(config), objective, corpus, settings }, onnx, context);
    const losses = reports.map(({ metrics }) => metrics!['loss']!);
    expect(losses).toHaveLength(60);
    expect(result.finalLoss).toBeLessThan(losses[0]! - 0.7);
    expect(result).toMatchObject({ steps: 60, tokensSeen: 60 * 2 * 8 });
    expect(reports.at(-1)).toMatchObject({ phase: 'crossEntropy', step: 60, total: 60 });
    const tail = losses.slice(-6);
    expect(result.finalLoss).toBeCloseTo(tail.reduce((sum, loss) => sum + loss, 0) / 6, 10);
  });

  it('takes the same steps on the reference engine', async () => {
    const settings = { steps: 3 };
    const [fast, plain] = [await train(settings), await train(settings, tinyModel(gpt2), createReferenceEngine())];
    expect(fast.finalLoss).toBeCloseTo(plain.finalLoss, 4);
    for (const [name, tensor] of storedTensors(plain.model)) {
      // Softmax ignores the biases of keys: their gradient is rounding alone, which Adam scales up to whole steps.
      if (name.endsWith('attn.qkv.bias')) continue;
      expectAllClose(toNumbers(storedTensors(fast.model).get(name)!), toNumbers(tensor), { absolute: 2e-4, relative: 1e-3, what: name });
    }
  });

  it('gives the same weights for the same seed, and others for another', async () => {
    const [first, again, other] = [await train(), await train(), await train({ seed: 1 })];
    expect(fingerprint(again.model)).toBe(fingerprint(first.model));
    expect(fingerprint(other.model)).not.toBe(fingerprint(first.model));
  });

  it('leaves the model that it was given as it was', async () => {
    const model = tinyModel(gpt2);
    const before = fingerprint(model);
    const { model: trained } = await train({}, model);
    expect(fingerprint(model)).toBe(before);
    expect(fingerprint(trained)).not.toBe(before);
  });

  it.each(['onnx', 'reference'])('goes on from a checkpoint bit for bit on the %s engine', async (name) => {
    const engine = name === 'onnx' ? onnx : createReferenceEngine();
    const model = tinyModel(gpt2);
    const settings = tinySettings({ steps: name === 'onnx' ? 20 : 4, checkpointEvery: name === 'onnx' ? 19 : 2, gradientAccumulation: 2 });
    const checkpoints = new MemoryKeeper();
    const straight = await trainModel({ model, objective, corpus, settings, checkpoints }, engine, quietContext);
    expect(checkpoints.saved.map(({ progress }) => progress.step)).toEqual([settings.checkpointEvery]);
    const { reports, ...context } = watch();
    const resumed = await trainModel({ model, objective, corpus, settings, checkpoints }, engine, context);
    expect(reports.map(({ step }) => step)[0]).toBe(settings.checkpointEvery + 1);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
    expect(resumed.finalLoss).toBe(straight.finalLoss);
  });

  it('saves a checkpoint when it is cancelled, from which the same weights follow', async () => {
    const model = tinyModel(gpt2);
    const settings = tinySettings({ steps: 8, gradientAccumulation: 2 });
    const straight = await trainModel({ model, objective, corpus, settings }, onnx, quietContext);
    const checkpoints = new MemoryKeeper();
    const request = { model, objective, corpus, settings, checkpoints };
    for (const cancelAfter of [3, 5])
      await expect(trainModel(request, onnx, watch(cancelAfter))).rejects.toThrow(
        coded('cancelled', new RegExp(`after step ${cancelAfter} of 8`)),
      );
    expect(checkpoints.saved.map(({ progress }) => progress.step)).toEqual([3, 5]);
    const resumed = await trainModel(request, onnx, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('draws the batches of a step again that was cut off midway', async () => {
    const model = tinyModel(gpt2);
    const settings = tinySettings({ steps: 6, gradientAccumulation: 3 });
    const straight = await trainModel({ model, objective, corpus, settings }, onnx, quietContext);
    const checkpoints = new MemoryKeeper();
    const controller = new AbortController();
    let runs = 0;
    // The eighth run of a gradient program is the second micro-batch of step 3.
    const stopping = wrapped(onnx, (name) => {
      if (name.startsWith('gradients') && ++runs === 8) controller.abort();
    });
    const request = { model, objective, corpus, settings, checkpoints };
    await expect(trainModel(request, stopping, { report: () => {}, signal: controller.signal })).rejects.toThrow(
      coded('cancelled', /stopped|cancelled/),
    );
    expect(checkpoints.saved.map(({ progress }) => progress.step)).toEqual([2]);
    expect(fingerprint((await trainModel(request, onnx, quietContext)).model)).toBe(fingerprint(straight.model));
  });

  it('stops with the step when the loss diverges, and keeps the last checkpoint', async () => {
    const checkpoints = new MemoryKeeper();
    const settings = tinySettings({
      steps: 30,
      learningRate: 1e38,
      warmupSteps: 0,
      clipNorm: 0,
      optimizer: { kind: 'sgd' },
      checkpointEvery: 1,
    });
    const run = trainModel({ model: tinyModel(gpt2), objective, corpus, settings, checkpoints }, onnx, quietContext);
    const failure = await run.catch((error: unknown) => error);
    const kept = checkpoints.saved.at(-1)?.progress.step ?? 0;
    expect(failure).toMatchObject({
      code: 'diverged',
      message: expect.stringMatching(new RegExp(`step \\d+: the (loss|gradient's norm) is .* The checkpoint of step ${kept} was kept\\.`)),
      details: { step: kept + 1, checkpointStep: kept },
    });
    // It is whole: a run with another learning rate goes on from it, as far as its numbers let it.
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(30);
  });

  it('names the first step when the weights hold NaN', async () => {
    const model = replaceParameters(tinyModel(gpt2), [
      denseParameter('h.0.attn.qkv.bias', float32([24], new Float32Array(24).fill(Number.NaN))),
    ]);
    await expect(train({}, model)).rejects.toThrow(coded('diverged', /^\[diverged\] step 1: the loss is NaN/));
  });

  it('reports data that holds no window, and checkpoints of another run, before anything is held', async () => {
    const short = { ...corpus, tokens: corpus.tokens.slice(0, 5) };
    const request = { model: tinyModel(gpt2), objective, corpus, settings: tinySettings() };
    await expect(trainModel({ ...request, corpus: short }, onnx, quietContext)).rejects.toThrow(
      coded('empty_data', /5 tokens hold no window of 9/),
    );
    await expect(train({ sequenceLength: 17 })).rejects.toThrow(coded('context_too_long', /17 tokens are more than the 16 positions/));
    const checkpoints = new MemoryKeeper();
    await trainModel({ ...request, checkpoints, settings: tinySettings({ checkpointEvery: 4 }) }, onnx, quietContext);
    const resume = (changes: Partial<TrainSettings>, model = tinyModel(gpt2)) =>
      trainModel({ ...request, model, checkpoints, settings: tinySettings(changes) }, onnx, quietContext);
    await expect(resume({ optimizer: { kind: 'sgd' } })).rejects.toThrow(coded('resume_mismatch', /tensor "mean:.*" is unknown/));
    await expect(resume({ optimizer: { kind: 'sgd', momentum: 0.9 } })).rejects.toThrow(coded('resume_mismatch', /tensor/));
    await expect(resume({}, tinyModel({ ...gpt2, feedForwardWidth: 12 }))).rejects.toThrow(coded('resume_mismatch', /has another shape/));
  });

  it('gives everything back when a program does not compile, a buffer is refused, or an update fails', async () => {
    for (const failing of ['gradients', 'gradients-adding', 'norm', 'update']) {
      const engine = wrapped(onnx, () => {}, failing);
      await expect(train({ gradientAccumulation: 2 }, tinyModel(gpt2), engine)).rejects.toThrow(`cannot compile ${failing}`);
      expect(onnx.counters()).toMatchObject({ buffers: 0, programs: 0 });
    }
    let allocations = 0;
    const engine: Engine = Object.create(onnx, {
      allocate: {
        value: (type: Parameters<Engine['allocate']>[0]) => {
          if (++allocations === 40) throw new Error('no memory');
          return onnx.allocate(type);
        },
      },
    });
    await expect(train({}, tinyModel(gpt2), forward(engine))).rejects.toThrow('no memory');
    expect(onnx.counters()).toMatchObject({ buffers: 0, programs: 0 });
    const broken = wrapped(onnx, (name) => {
      if (name === 'update') throw new Error('the device is gone');
    });
    await expect(train({}, tinyModel(gpt2), broken)).rejects.toThrow('the device is gone');
  });
});

describe('Trainer', () => {
  const batch = (rows: readonly (readonly number[])[]): TokenBatch => {
    const tokens = int64(
      [rows.length, 8],
      rows.flatMap((row) => row.slice(0, 8)),
    );
    return {
      tokens,
      labels: int64(
        [rows.length, 8],
        rows.flatMap((row) => row.slice(1, 9)),
      ),
    };
  };
  const rows = [0, 1, 2, 3].map((row) => Array.from({ length: 9 }, (_, column) => (row * 7 + column * 3) % 29));

  it('accumulates the gradients of two half batches to those of the whole batch', async () => {
    const settings = { steps: 2, optimizer: { kind: 'sgd', momentum: 0.9 } as const, clipNorm: 0.5, learningRate: 0.1, warmupSteps: 0 };
    const whole = await Trainer.create(onnx, tinyModel(gpt2), objective, tinySettings({ ...settings, batchSize: 4 }));
    const halves = await Trainer.create(
      onnx,
      tinyModel(gpt2),
      objective,
      tinySettings({ ...settings, batchSize: 2, gradientAccumulation: 2 }),
    );
    const { signal } = quietContext;
    for (let step = 0; step < 2; step++) {
      const one = await whole.run([batch(rows)], signal);
      const two = await halves.run([batch(rows.slice(0, 2)), batch(rows.slice(2))], signal);
      expect(two.metrics['loss']).toBeCloseTo(one.metrics['loss']!, 5);
      expect(two.gradientNorm).toBeCloseTo(one.gradientNorm, 5);
    }
    for (const [name, tensor] of storedTensors(whole.model()))
      expectAllClose(toNumbers(storedTensors(halves.model()).get(name)!), toNumbers(tensor), {
        absolute: 1e-6,
        relative: 1e-4,
        what: name,
      });
    await whole.dispose();
    await halves.dispose();
  });

  it('changes nothing when a gradient is not finite although the loss is', async () => {
    const steep: Objective = {
      ...objective,
      build: (context) => {
        const { loss, metrics } = objective.build(context);
        const { b } = context;
        // √0 is 0 but its slope is infinite.
        return { loss: b.add(loss, b.sqrt(b.mul(loss, 0))), metrics };
      },
    };
    const trainer = await Trainer.create(onnx, tinyModel(gpt2), steep, tinySettings());
    const before = fingerprint(trainer.model());
    await expect(trainer.run([batch(rows.slice(0, 2))], quietContext.signal)).rejects.toThrow(
      coded('diverged', /^\[diverged\] step 1: the gradient's norm is NaN/),
    );
    expect(fingerprint(trainer.model())).toBe(before);
    expect(trainer.step).toBe(0);
    await trainer.dispose();
  });

  it('works the vocabulary off in pieces that give one loss', async () => {
    const inPiecesOf = (vocabularySize: number): Objective => ({
      ...objective,
      build: (context) => objective.build({ ...context, vocabularySize }),
    });
    const losses: number[] = [];
    const norms: number[] = [];
    for (const size of [29, 2 ** 23, 2 ** 22]) {
      const trainer = await Trainer.create(onnx, tinyModel(gpt2), inPiecesOf(size), tinySettings());
      const report = await trainer.run([batch(rows.slice(0, 2))], quietContext.signal);
      losses.push(report.metrics['loss']!);
      norms.push(report.gradientNorm);
      await trainer.dispose();
    }
    expectAllClose(losses, [losses[0]!, losses[0]!, losses[0]!], { relative: 1e-5 });
    expectAllClose(norms, [norms[0]!, norms[0]!, norms[0]!], { relative: 1e-4 });
    const sizes = { batch: 2, length: 8, trained: ['embed.token.weight'], accumulates: false };
    const { graph } = buildGradientGraph(tinyModel(gpt2), inPiecesOf(2 ** 22), sizes);
    // The gradients of the pieces lie side by side: no sum of padded copies is left.
    expect(topologicalOrder(graph).map(({ op }) => op)).not.toContain('pad');
  });
});

describe('trainSettings', () => {
  it.each([
    ['steps', { steps: 0 }],
    ['steps', { steps: 1.5 }],
    ['batchSize', { batchSize: -1 }],
    ['sequenceLength', { sequenceLength: Number.NaN }],
    ['gradientAccumulation', { gradientAccumulation: 0 }],
    ['warmupSteps', { warmupSteps: -1 }],
    ['checkpointEvery', { checkpointEvery: 0.5 }],
    ['seed', { seed: Number.POSITIVE_INFINITY }],
    ['learningRate', { learningRate: 0 }],
    ['learningRate', { learningRate: Number.NaN }],
    ['finalShare', { finalShare: 1.1 }],
    ['clipNorm', { clipNorm: -1 }],
    ['schedule', { schedule: 'square' as 'cosine' }],
    ['optimizer.beta1', { optimizer: { kind: 'adamW', beta1: 1 } }],
    ['optimizer.epsilon', { optimizer: { kind: 'adamW', epsilon: 0 } }],
    ['optimizer.weightDecay', { optimizer: { kind: 'sgd', weightDecay: -1 } }],
    ['optimizer.momentum', { optimizer: { kind: 'sgd', momentum: Number.NaN } }],
  ] as const)('names %s in %j', (field, given) => {
    const [value] = Object.values(given).map((item) => (typeof item === 'object' ? Object.values(item).at(-1) : item));
    expect(() => trainSettings(given)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', details: { field }, message: expect.stringContaining(`${field}: must be`) }),
    );
    expect(() => trainSettings(given)).toThrow(`got ${value}.`);
  });
});

/** The engine with a look at each run, and with one program that does not compile. */
function wrapped(engine: Engine, onRun: (name: string) => void, failing?: string): Engine {
  const compile = async (graph: Graph, options: CompileOptions = {}): Promise<Program> => {
    if (options.name === failing) throw new Error(`cannot compile ${failing}`);
    const program = await engine.compile(graph, options);
    return {
      name: program.name,
      inputNames: program.inputNames,
      outputNames: program.outputNames,
      release: () => program.release(),
      run: async (inputs, runOptions) => {
        onRun(program.name);
        return program.run(inputs, runOptions);
      },
    };
  };
  return { ...forward(engine), compile };
}

function forward(engine: Engine): Engine {
  return {
    name: 'onnx',
    runtime: engine.runtime,
    device: 'cpu',
    nativeProducts: engine.nativeProducts,
    hasFastInt8: engine.hasFastInt8,
    compile: (graph, options) => onnx.compile(graph, options),
    planRun: (graph, options) => onnx.planRun(graph, options),
    allocate: (type) => engine.allocate(type),
    upload: (tensor) => onnx.upload(tensor),
    borrow: (tensor) => onnx.borrow(tensor),
    counters: () => onnx.counters(),
    dispose: () => onnx.dispose(),
  };
}
