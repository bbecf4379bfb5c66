// Activations that the backward pass computes again: the same weights bit for bit, in less memory.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { allInputs, declarations, initializeModel, type Model } from '#models';
import { float32, int64 } from '#tensor';
import { albertConfig, bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { tinyPairs, tinySequences } from '#test/tiny-pairs';
import { buildGradientGraph, crossEntropyObjective, objectiveOf, type TrainingData, trainModel } from '#train';
import { lossesOf } from '../distill/losses/measured-losses.ts';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings } from './tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

const texts = { texts: tinyTexts(24) };
const cases: Readonly<Record<string, readonly [Model, TrainingData]>> = {
  'GPT-2': [tinyModel({ ...gpt2, layers: 3 }), tinyCorpus()],
  Llama: [tinyModel({ ...llama, layers: 3 }), tinyCorpus()],
  'a Universal Transformer': [tinyModel({ ...gpt2, layers: 3, halting: { epsilon: 0.01, ponderCost: 0.01, signals: true } }), tinyCorpus()],
  'a BERT with labels': [tinyEncoder(bertConfig(twoLabels)), texts],
  'an ALBERT, whose blocks are one': [tinyEncoder(albertConfig(twoLabels)), texts],
  'an encoder-decoder': [
    initializeModel({ ...tinySequences, layers: 2, encoder: { ...tinySequences.encoder, layers: 2 } }, new Random(3), 0.3),
    tinyPairs,
  ],
};

describe.each(Object.entries(cases))('%s', (_, [model, corpus]) => {
  it('comes to the same weights', async () => {
    const train = async (recompute: boolean): Promise<string> => {
      const settings = tinySettings({ steps: 2, recompute, sequenceLength: 13 });
      const trained = await trainModel({ model, objective: objectiveOf(corpus, settings), corpus, settings }, engine, quietContext);
      return fingerprint(trained.model);
    };
    expect(await train(true)).toBe(await train(false));
  });
});

describe('distillation', () => {
  const losses = lossesOf(
    { kind: 'labels', weight: 0.2 },
    { kind: 'logits' },
    { kind: 'hidden' },
    { kind: 'relation', of: 'minilmv2', heads: 2 },
  );
  const [student, teacher] = [tinyModel({ ...gpt2, layers: 2 }), tinyModel(llama, 2)];

  it('of states and relations comes to the same weights, in micro-batches too', async () => {
    const train = async (changes: object): Promise<string> => {
      const settings = distillSettings({ ...tinySettings({ steps: 2 }), losses, ...changes });
      return fingerprint((await distillModel({ student, teacher, corpus: tinyCorpus(), settings }, engine, quietContext)).model);
    };
    expect(await train({ recompute: true })).toBe(await train({}));
    const split = { batchSize: 1, gradientAccumulation: 2 };
    expect(await train({ ...split, recompute: true })).toBe(await train(split));
  });

  it('goes on from a checkpoint bit for bit', async () => {
    const settings = distillSettings({ ...tinySettings({ steps: 3, checkpointEvery: 2, recompute: true }), gradientAccumulation: 2 });
    const checkpoints = new MemoryKeeper();
    const request = { student, teacher, corpus: tinyCorpus(), settings, checkpoints };
    const straight = await distillModel(request, engine, quietContext);
    expect(checkpoints.saved).toHaveLength(1);
    expect(fingerprint((await distillModel(request, engine, quietContext)).model)).toBe(fingerprint(straight.model));
  });
});

describe('memory', () => {
  const config = { ...gpt2, width: 32, feedForwardWidth: 128, layers: 8, maxPositions: 64 };
  const model = tinyModel(config);
  const trained = allInputs(model).map(({ input }) => input.name);
  const graphOf = (recompute: boolean) =>
    buildGradientGraph(declarations(model), crossEntropyObjective(), { batch: 4, length: 64, trained, accumulates: false, recompute })
      .graph;

  it('is a fraction, by the plan and by the arena', async () => {
    const held: number[] = [];
    const planned: number[] = [];
    for (const recompute of [true, false]) {
      const graph = graphOf(recompute);
      planned.push((await engine.planRun(graph)).scratchBytes);
      const program = await engine.compile(graph);
      const before = engine.counters().scratchBytes;
      const inputs = graph.inputs.map(({ name, value }) => {
        const shape = value.shape as readonly number[];
        const size = shape.reduce((product, dim) => product * dim, 1);
        return [
          name,
          value.dtype === 'int64' ? int64(shape, new Array(size).fill(1)) : float32(shape, new Float32Array(size).fill(0.01)),
        ] as const;
      });
      const results = await program.run(Object.fromEntries(inputs));
      held.push(engine.counters().scratchBytes - before);
      for (const buffer of Object.values(results)) buffer.release();
      await program.release();
    }
    const [low = 0, high = 0] = held;
    expect(low).toBeLessThan(0.45 * high);
    for (const [index, bytes] of held.entries()) expect((planned[index] ?? 0) / bytes).toBeCloseTo(1, 1);
  });
});
