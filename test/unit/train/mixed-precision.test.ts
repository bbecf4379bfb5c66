// Training in mixed precision: the tests of training in float32 at stated tolerances, and those of the loss scale.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import type { CompileOptions, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, gradientName, lossScaleNames, topologicalOrder } from '#graph';
import { modelInputs, storedTensors } from '#models';
import { castTensor, float32, int64, type NarrowFloat, narrowFloats, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { mixedTolerances } from '#test/tolerances';
import { buildGradientGraph, crossEntropyObjective, Trainer, type TrainSettings, trainModel, trainSettings } from '#train';
import { precisionOn } from '../../../src/train/precision.ts';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from './tiny-training.ts';

const corpus = tinyCorpus();
const objective = crossEntropyObjective();

let onnx: Engine;
beforeAll(async () => {
  onnx = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(onnx.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => onnx.dispose());

const train = (changes: Partial<TrainSettings>, engine = onnx, config: typeof gpt2 | typeof llama = gpt2) =>
  trainModel({ model: tinyModel(config), objective, corpus, settings: tinySettings(changes) }, engine, quietContext);

/** All that was compiled on an engine, by name. */
function watched(engine: Engine): { engine: Engine; graphs: Map<string, Graph> } {
  const graphs = new Map<string, Graph>();
  const compile = (graph: Graph, options?: CompileOptions) => {
    graphs.set(options?.name ?? '', graph);
    return engine.compile(graph, options);
  };
  return { graphs, engine: new Proxy(engine, { get: (target, key) => (key === 'compile' ? compile : bound(target, key)) }) };
}

function bound(engine: Engine, key: string | symbol): unknown {
  const value: unknown = Reflect.get(engine, key);
  return typeof value === 'function' ? (value.bind(engine) as unknown) : value;
}

const typesOf = (graph: Graph | undefined, op: string): string[] =>
  graph === undefined ? [] : topologicalOrder(graph).flatMap((node) => (node.op === op ? [node.types[0]!.dtype] : []));

describe.each(narrowFloats)('training with products in %s', (precision: NarrowFloat) => {
  it.each([
    ['gpt2', gpt2],
    ['llama', llama],
  ] as const)('lowers the loss of a %s, in the first steps as float32 does', async (_, config) => {
    const losses = async (changes: Partial<TrainSettings>): Promise<{ all: number[]; beforeSkipped: number }> => {
      const { reports, ...context } = watch();
      const settings = tinySettings({ steps: 60, learningRate: 0.02, ...changes });
      await trainModel({ model: tinyModel(config), objective, corpus, settings }, onnx, context);
      const skipped = reports.findIndex(({ metrics }) => (metrics!['lossScale'] ?? 65536) < 65536);
      return { all: reports.map(({ metrics }) => metrics!['loss']!), beforeSkipped: skipped < 0 ? 6 : Math.min(6, skipped + 1) };
    };
    const [{ all: narrow, beforeSkipped }, wide] = [await losses({ precision }), await losses({ precision: 'float32' })];
    expectAllClose(narrow.slice(0, beforeSkipped), wide.all.slice(0, beforeSkipped), mixedTolerances[precision].losses);
    const end = narrow.slice(-6).reduce((sum, loss) => sum + loss / 6, 0);
    expect(end).toBeLessThan(narrow[0]! - 0.7);
  });

  it.each([
    ['gpt2', gpt2],
    ['llama', llama],
  ] as const)('has the loss and gradients of float32 for a %s', async (_, config) => {
    const model = tinyModel(config);
    const inputs = Object.fromEntries(modelInputs(model));
    const drawn = Array.from({ length: 16 }, (__, index) => (index * 11 + 3) % 29);
    const batch = { tokens: int64([2, 8], drawn), labels: int64([2, 8], [...drawn.slice(1), 0]) };
    const gradientsIn = async (products: 'float32' | NarrowFloat, engine: Engine) => {
      const { graph } = buildGradientGraph(model, objective, {
        batch: 2,
        length: 8,
        trained: Object.keys(inputs),
        accumulates: false,
        precision: products,
        lossScaled: products === 'float16',
      });
      const program = await engine.compile(graph);
      const scale = products === 'float16' ? 1024 : 1;
      const results = await program.run({ ...inputs, ...batch, ...(scale === 1 ? {} : { [lossScaleNames.scale]: float32([], [scale]) }) });
      const made = Object.entries(results).map(([name, buffer]) => {
        const numbers = Array.from(toNumbers(buffer.read()), (value) => (name === 'loss' ? value : value / scale));
        buffer.release();
        return [name, numbers] as const;
      });
      await program.release();
      return Object.fromEntries(made);
    };
    const reference = createReferenceEngine();
    const [wide, narrow, oracle] = [
      await gradientsIn('float32', onnx),
      await gradientsIn(precision, onnx),
      await gradientsIn(precision, reference),
    ];
    const { gradients, losses } = mixedTolerances[precision];
    expect(Math.abs(narrow['loss']![0]! - wide['loss']![0]!)).toBeLessThan(losses.absolute + losses.relative * wide['loss']![0]!);
    for (const name of Object.keys(inputs).map(gradientName)) {
      // Softmax ignores the biases of keys: their gradient is rounding alone.
      if (name.endsWith('attn.qkv.bias') || name.endsWith('attn.k.bias')) continue;
      const largest = Math.max(...wide[name]!.map(Math.abs));
      const closeness = { absolute: gradients.absolute + gradients.relative * largest, what: name };
      expectAllClose(narrow[name]!, wide[name]!, closeness);
      expectAllClose(narrow[name]!, oracle[name]!, closeness);
    }
    await reference.dispose();
  });

  it('gives the same weights for the same seed', async () => {
    const [first, again] = [await train({ precision }), await train({ precision })];
    expect(fingerprint(again.model)).toBe(fingerprint(first.model));
    expect(fingerprint(first.model)).not.toBe(fingerprint((await train({ precision: 'float32' })).model));
  });

  it('takes the steps of the reference engine', async () => {
    const settings = { steps: 3, precision };
    const [fast, plain] = [await train(settings), await train(settings, createReferenceEngine())];
    const { relative, absolute } = mixedTolerances[precision].losses;
    expect(Math.abs(fast.finalLoss - plain.finalLoss)).toBeLessThan(absolute + relative * plain.finalLoss);
  });

  it.each(['onnx', 'reference'])('goes on from a checkpoint bit for bit on the %s engine', async (name) => {
    const engine = name === 'onnx' ? onnx : createReferenceEngine();
    const model = tinyModel(gpt2);
    const settings = tinySettings({
      steps: name === 'onnx' ? 20 : 4,
      checkpointEvery: name === 'onnx' ? 19 : 2,
      gradientAccumulation: 2,
      precision,
    });
    const checkpoints = new MemoryKeeper();
    const straight = await trainModel({ model, objective, corpus, settings, checkpoints }, engine, quietContext);
    const resumed = await trainModel({ model, objective, corpus, settings, checkpoints }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
    expect(resumed.finalLoss).toBe(straight.finalLoss);
  });

  it('keeps weights, gradients and the optimizer in float32, and the products alone in 16 bits', async () => {
    const { engine, graphs } = watched(onnx);
    const { model } = await train({ precision, steps: 2 }, engine);
    expect(new Set(typesOf(graphs.get('gradients'), 'matmul'))).toEqual(new Set([precision]));
    for (const op of ['layerNorm', 'softmax', 'crossEntropy', 'logSoftmax', 'reduceSum', 'add', 'geluTanh'])
      expect(new Set([...typesOf(graphs.get('gradients'), op), 'float32']), op).toEqual(new Set(['float32']));
    for (const name of ['update', 'norm'])
      for (const node of topologicalOrder(graphs.get(name)!)) expect(node.types[0]!.dtype).toBe('float32');
    for (const [, tensor] of storedTensors(model)) expect(tensor.dtype).toBe('float32');
  });

  it('leaves a model that is stored in 16 bits as it is stored', async () => {
    const wide = tinyModel(gpt2);
    const parameters = [...wide.parameters].map(([path, parameter]) => {
      const tensors = Object.fromEntries(Object.entries(parameter.tensors).map(([key, tensor]) => [key, castTensor(tensor, 'float16')]));
      return [path, { ...parameter, tensors }] as const;
    });
    const model = { ...wide, parameters: new Map(parameters) };
    const trained = await trainModel({ model, objective, corpus, settings: tinySettings({ precision }) }, onnx, quietContext);
    for (const [, tensor] of storedTensors(trained.model)) expect(tensor.dtype).toBe('float16');
  });
});

describe('the precision of a training', () => {
  it('is float32 where the device has no products in 16 bits, and bfloat16 where it has', async () => {
    const { engine, graphs } = watched(onnx);
    await train({ steps: 1 }, engine);
    expect(new Set(typesOf(graphs.get('gradients'), 'matmul'))).toEqual(new Set(['float32']));
    const able: Engine = new Proxy(engine, { get: (target, key) => (key === 'nativeProducts' ? narrowFloats : bound(target, key)) });
    await train({ steps: 1 }, able);
    expect(new Set(typesOf(graphs.get('gradients'), 'matmul'))).toEqual(new Set(['bfloat16']));
    const old: Engine = new Proxy(engine, { get: (target, key) => (key === 'nativeProducts' ? ['float16'] : bound(target, key)) });
    await train({ steps: 1 }, old);
    expect(new Set(typesOf(graphs.get('gradients'), 'matmul'))).toEqual(new Set(['float32']));
  });

  it('is float32 beside products of 8-bit integers, and nothing else is taken there', () => {
    const able = { nativeProducts: narrowFloats };
    expect(precisionOn(able, { precision: 'auto' })).toBe('bfloat16');
    expect(precisionOn(able, { precision: 'auto', products: 'float32' })).toBe('bfloat16');
    expect(precisionOn(able, { precision: 'auto', products: 'int8' })).toBe('float32');
    expect(() => trainSettings({ precision: 'bfloat16', products: 'int8' })).toThrow(
      /precision: must be auto or float32 beside products int8/,
    );
  });

  it('is refused by name where it is unknown', () => {
    expect(() => trainSettings({ precision: 'float8' as 'float16' })).toThrow(
      /precision: must be one of auto, float32, float16, bfloat16, got float8/,
    );
  });
});

describe('the loss scale of a training in float16', () => {
  const scaled = (changes: Partial<TrainSettings> = {}): TrainSettings => tinySettings({ precision: 'float16', ...changes });

  it('is reported with each step, and no other precision has one', async () => {
    const { reports, ...context } = watch();
    await trainModel({ model: tinyModel(gpt2), objective, corpus, settings: scaled({ steps: 2 }) }, onnx, context);
    expect(reports.map(({ metrics }) => metrics!['lossScale'])).toEqual([65536, 65536]);
    const others = watch();
    await trainModel(
      { model: tinyModel(gpt2), objective, corpus, settings: tinySettings({ steps: 1, precision: 'bfloat16' }) },
      onnx,
      others,
    );
    expect(others.reports[0]!.metrics).not.toHaveProperty('lossScale');
  });

  /** A trainer whose next step overflows, because its weights are far too large. */
  async function overflowing(): Promise<{
    trainer: Trainer;
    batch: { tokens: ReturnType<typeof int64>; labels: ReturnType<typeof int64> };
  }> {
    const trainer = await Trainer.create(onnx, tinyModel(gpt2), objective, scaled());
    const drawn = Array.from({ length: 16 }, (_, index) => (index * 11 + 3) % 29);
    const batch = { tokens: int64([2, 8], drawn), labels: int64([2, 8], [...drawn.slice(1), 0]) };
    return { trainer, batch };
  }

  it('halves where a gradient is not finite, and weights, optimizer and its own count of steps stay as they were', async () => {
    const { trainer, batch } = await overflowing();
    await trainer.run([batch], quietContext.signal);
    const good = trainer.snapshot();
    const weight = trainer.parameters['h.0.mlp.fc.weight']!;
    const kept = weight.read();
    weight.write(float32(weight.shape, new Float32Array(toNumbers(kept).length).fill(1e6)));
    const report = await trainer.run([batch], quietContext.signal);
    expect(report).toMatchObject({ step: 2, isSkipped: true });
    expect(report.metrics['lossScale']).toBe(32768);
    for (const value of Object.values(report.metrics)) expect(Number.isFinite(value)).toBe(true);
    weight.write(kept);
    const after = trainer.snapshot();
    for (const [name, tensor] of good) if (!name.startsWith('scaling:')) expect([...after.get(name)!.data], name).toEqual([...tensor.data]);
    expect(toNumbers(after.get(lossScaleNames.skipped)!)[0]).toBe(1);
    expect(await trainer.run([batch], quietContext.signal)).toMatchObject({ step: 3, isSkipped: false });
    await trainer.dispose();
  });

  it('goes on as if it had not been interrupted, scale and skipped steps included', async () => {
    const { trainer, batch } = await overflowing();
    const weight = trainer.parameters['h.0.mlp.fc.weight']!;
    const kept = weight.read();
    weight.write(float32(weight.shape, new Float32Array(toNumbers(kept).length).fill(1e6)));
    await trainer.run([batch], quietContext.signal);
    weight.write(kept);
    const { trainer: other } = await overflowing();
    other.restore(trainer.step, trainer.snapshot());
    const [straight, resumed] = [await trainer.run([batch], quietContext.signal), await other.run([batch], quietContext.signal)];
    expect(resumed).toEqual(straight);
    for (const [name, tensor] of trainer.snapshot()) expect([...other.snapshot().get(name)!.data], name).toEqual([...tensor.data]);
    await trainer.dispose();
    await other.dispose();
  });

  it('ends the training where even a scale of 1 leaves no finite gradient', async () => {
    const { trainer, batch } = await overflowing();
    const weight = trainer.parameters['h.0.mlp.fc.weight']!;
    weight.write(float32(weight.shape, new Float32Array(toNumbers(weight.read()).length).fill(1e6)));
    const run = async (): Promise<void> => {
      for (let step = 0; step < 40; step++) await trainer.run([batch], quietContext.signal);
    };
    await expect(run()).rejects.toMatchObject({ code: 'diverged', message: expect.stringMatching(/step 17: .* bfloat16/) });
    await trainer.dispose();
  });

  it('refuses a checkpoint of another precision by name', async () => {
    const { trainer } = await overflowing();
    const wide = await Trainer.create(onnx, tinyModel(gpt2), objective, tinySettings({ precision: 'float32' }));
    expect(() => wide.restore(1, trainer.snapshot())).toThrow(/resume_mismatch.*scaling:/);
    expect(() => trainer.restore(1, wide.snapshot())).toThrow(/resume_mismatch.*scaling:/);
    await trainer.dispose();
    await wide.dispose();
  });
});
