// The FLOP step on tiny models: its size, its graphs that shrink, what it stores, and a run that goes on where it was.

import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, at, type OperationContext, quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import {
  buildLogitsGraph,
  causalNetwork,
  declarations,
  type EncoderDecoderConfig,
  initializeModel,
  type Model,
  materializeParameter,
  modelInputs,
  type NetworkChanges,
  type Parameter,
  parameterSpecs,
  replaceParameters,
  storedTensors,
} from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { float32, type HostTensor, int64, rawBytes, tensorBytes, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { albertConfig, bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import { tinySequences } from '#test/tiny-pairs';
import { compiledFactors } from '../../../../src/compress/flop/slice-terms.ts';
import { tinyCorpus } from '../../train/tiny-training.ts';
import { gpt2Config, llamaConfig, tinyModel } from '../tiny-model.ts';
import { recordingContext, runFlop } from './run-flop.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  await engine.dispose();
});

const corpus = tinyCorpus(600, 40);
const model = tinyModel();
const steps = 100;
const training = { steps, batchSize: 2, sequenceLength: 8, learningRate: 0.003, teacher: 'none' };
const rates = { gateLearningRate: 0.6, multiplierLearningRate: 2 };
const short = { ...training, steps: 8 };

const encoderDecoder: EncoderDecoderConfig = {
  ...tinySequences,
  vocabularySize: 32,
  width: 16,
  headWidth: 8,
  feedForwardWidth: 32,
  encoder: { layers: 1, heads: 2, headWidth: 8, feedForwardWidth: 32 },
  maxPositions: 24,
  positions: { kind: 'sinusoidal', form: 'marian' },
  headBias: true,
  scaledEmbedding: true,
};

function bytesOf(of: Model, wanted: (path: string) => boolean): number {
  let bytes = 0;
  for (const { path, tensors } of of.parameters.values())
    if (wanted(path)) for (const tensor of Object.values(tensors)) bytes += tensorBytes(tensor);
  return bytes;
}

const isBlockMatrix = (path: string): boolean => /^h\..*\.weight$/.test(path) && !path.includes('ln');
const share = (after: Model, wanted: (path: string) => boolean = isBlockMatrix, before = model): number =>
  bytesOf(after, wanted) / bytesOf(before, wanted);

function hexOf(of: Model): Record<string, string> {
  return Object.fromEntries([...storedTensors(of)].map(([name, tensor]) => [name, Buffer.from(rawBytes(tensor)).toString('hex')]));
}

const tokens = int64([2, 7], [3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 8, 9, 7, 9]);

async function logitsOf(of: Model, changes?: (b: GraphBuilder) => NetworkChanges): Promise<Float64Array> {
  const b = new GraphBuilder();
  const ids = b.input('tokens', 'int64', tokens.shape);
  const net = causalNetwork(b, of, ids, { changes: changes?.(b) });
  const program = await engine.compile(b.graph({ logits: net.logits(net.hidden(ids)) }));
  const available: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(of)), tokens };
  const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, available[name]!])));
  const numbers = Float64Array.from(toNumbers(results['logits']!.read()));
  results['logits']!.release();
  await program.release();
  return numbers;
}

describe('flop', () => {
  it.each(['signed', 'absolute'] as const)('brings the %s Lagrangian and the stored bytes to the target', async (lagrangian) => {
    const context = recordingContext();
    const gates = { ...rates, multiplierLearningRate: lagrangian === 'absolute' ? 2 : 1.2, recompileEvery: 25 };
    const settings = { ratio: 0.4, lagrangian, training, settleSteps: 0, ...gates };
    const { model: small, report } = await runFlop(settings, { engine, model, corpus, context });
    const gated = context.events;
    expect(gated).toHaveLength(steps);
    const [last, first] = [gated.at(-1)!, gated[0]!];
    expect(last['targetSparsity']).toBeCloseTo(0.6, 6);
    // The signed form swings about its target in so short a training.
    expect(Math.abs(last['sparsity']! - 0.6)).toBeLessThan(lagrangian === 'absolute' ? 0.02 : 0.1);
    expect(share(small)).toBeGreaterThan(0.4 * 0.98);
    expect(share(small)).toBeLessThanOrEqual(0.4);
    expect(report.steps[0]!.bytesAfter / report.steps[0]!.bytesBefore).toBeCloseTo(share(small), 9);
    // As long as too little is gone λ1 makes sparsity pay (or costs, in the absolute form); λ2 never falls.
    const early = gated[20]!;
    expect(early['sparsity']).toBeLessThan(early['targetSparsity']!);
    expect(Math.sign(early['lambda1']!)).toBe(lagrangian === 'signed' ? -1 : 1);
    for (const [index, event] of gated.entries())
      if (index > 0) expect(event['lambda2']).toBeGreaterThanOrEqual(gated[index - 1]!['lambda2']!);
    // Factors of full rank store more than their matrices.
    expect(first['sparsity']).toBeLessThan(0);
  });

  it('compiles the graph smaller as gates close, and trains what is left without gates at the end', async () => {
    const context = recordingContext();
    const settings = { ratio: 0.3, lagrangian: 'absolute', training, settleSteps: 20, recompileEvery: 20, ...rates };
    const { report } = await runFlop(settings, { engine, model, corpus, context });
    const bytes = context.events.map((event) => event['deviceBytes']!);
    const atStages = [0, 20, 40, 60, 80].map((index) => bytes[index]!);
    for (const [stage, held] of atStages.entries()) {
      if (stage > 0) expect(held).toBeLessThanOrEqual(atStages[stage - 1]!);
      for (let index = stage * 20; index < stage * 20 + 20; index++) expect(bytes[index]).toBe(held);
    }
    expect(atStages[3]).toBeLessThan(atStages[0]!);
    expect(atStages[4]).toBeLessThan(atStages[3]!);
    expect(context.events.filter((event) => event['sparsity'] !== undefined)).toHaveLength(80);
    expect(report.steps[0]!.note).toMatch(
      /^100 steps on 1,600 tokens, loss \d.*; (29|30)\.\d\d % of the stored bytes stay(, as near .*)?$/,
    );
  });

  it('answers when compiled what the masked model answers', async () => {
    const { model: factored } = await runFlop({ ratio: 0.6, training: { ...short, steps: 1 }, settleSteps: 0 }, { engine, model, corpus });
    const lowRank = [...factored.parameters.values()].filter(({ kind }) => kind === 'lowRank');
    expect(lowRank.length).toBeGreaterThan(2);
    const zOf = (path: string, rank: number): number[] =>
      Array.from({ length: rank }, (_, term) => ((term + path.length) % 3 === 0 ? 0 : 0.5 + 0.5 * Math.sin(term + path.length) ** 2));
    const masked = await logitsOf(factored, (b) => ({
      stored: (name, value) => {
        const path = name.replace(/\.right$/, '');
        const rank = Number(value.shape[0]);
        return path === name ? value : b.mul(value, b.constant(float32([rank, 1], zOf(path, rank))));
      },
    }));
    const compiled = lowRank.map(({ path, tensors: { left, right } }): Parameter => {
      const factors = compiledFactors({ left: left!, right: right! }, zOf(path, at(left!.shape, 1)));
      return { path, kind: 'lowRank', settings: { rank: at(factors.left.shape, 1) }, tensors: { ...factors } };
    });
    const sliced = await logitsOf(replaceParameters(factored, compiled));
    expectAllClose(sliced, masked, { absolute: 2e-5 });
    expect(Math.max(...(await logitsOf(factored)).map((value, index) => Math.abs(value - masked[index]!)))).toBeGreaterThan(0.01);
  });

  it('stores dense what would be larger as factors', async () => {
    const { model: large, report } = await runFlop({ ratio: 0.95, training: short, settleSteps: 2 }, { engine, model, corpus });
    expect(share(large)).toBeGreaterThan(0.95 * 0.98);
    expect(share(large)).toBeLessThanOrEqual(0.95);
    const dense = report.steps[0]!.layers.filter(({ kindAfter }) => kindAfter === 'dense');
    expect(dense.length).toBeGreaterThan(0);
    for (const layer of dense) expect(layer).toMatchObject({ note: 'dense, which stores less than the terms that stay' });
  });

  it('trains a llama, towards the model that the recipe started from', async () => {
    const llama = tinyModel(llamaConfig);
    const { teacher: _, ...towards } = short;
    const { model: small } = await runFlop({ ratio: 0.5, training: towards }, { engine, model: llama, corpus });
    expect(Math.abs(share(small, isBlockMatrix, llama) / 0.5 - 1)).toBeLessThan(0.02);
  });

  it('prunes while it trains from scratch', async () => {
    const context = recordingContext();
    const scratch = { ratio: 0.5, start: 'random', training: { ...training, learningRate: 0.02 }, ...rates };
    const { model: small } = await runFlop(scratch, { engine, model, corpus, context });
    const losses = context.events.map((event) => event['taskLoss'] ?? event['loss']!);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(losses.slice(-10))).toBeLessThan(mean(losses.slice(0, 10)) - 0.3);
    // Terms at the start store as much as the dense matrices: nothing is gone, and nothing added.
    expect(Math.abs(context.events[0]!['sparsity']!)).toBeLessThan(0.06);
    expect(share(small)).toBeLessThanOrEqual(0.5);
    const [vector] = ['norm.weight', 'norm.bias'].filter((path) => small.parameters.has(path));
    expect(vector).toBeDefined();
  });

  it('prunes the dimensions of an embedding with its tied head', async () => {
    const settings = { ratio: 0.5, training: short, include: ['embed.token.weight'] };
    const { model: small, report } = await runFlop(settings, { engine, model, corpus });
    const { kind, tensors } = small.parameters.get('embed.token.weight')!;
    expect(kind).toBe('lowRank');
    const width = at(tensors['left']!.shape, 1);
    expect(tensors['right']!.shape).toEqual([width, 16]);
    // (V + D)·E of the V·D elements.
    expect(report.steps[0]!.layers).toMatchObject([{ rank: width, bytesAfter: 4 * (40 + 16) * width }]);
    expect(small.parameters.get('h.0.mlp.fc.weight')!.kind).toBe('dense');
  });

  it('gives frequent tokens wider rows in an adaptive embedding, which is stored, served and exported like any other', async () => {
    const settings = { ratio: 0.7, training: short, include: ['embed.token.weight'], clusters: [6, 10] };
    const { model: small, report } = await runFlop(settings, { engine, model, corpus });
    const path = 'embed.token.weight';
    const parameter = small.parameters.get(path)!;
    expect(parameter).toMatchObject({ kind: 'adaptiveEmbedding', settings: { sizes: '6,10,24' } });
    const widths = String(parameter.settings['widths']).split(',').map(Number);
    expect(report.steps[0]!.layers).toMatchObject([{ note: `terms by cluster: ${widths.join(', ')}` }]);
    const elements = [6, 10, 24].reduce((sum, size, index) => sum + (size + 16) * widths[index]!, 0);
    expect(report.steps[0]!.bytesAfter).toBe(4 * elements + 4 * 40);
    // Frequent tokens stand before rare ones.
    const counts = new Float64Array(40);
    for (const token of corpus.tokens) counts[token]!++;
    const inOrder = new Float64Array(40);
    toNumbers(parameter.tensors['places']!).forEach((place, token) => {
      inOrder[place] = counts[token]!;
    });
    for (const [place, count] of inOrder.entries()) if (place > 0) expect(count).toBeLessThanOrEqual(inOrder[place - 1]!);

    const wanted = await logitsOf(small);
    const folder = temporaryFolder();
    const store = await LocalStore.open(join(folder, 'store'));
    await store.saveArtefact('small', { model: small, tokenizerFiles: new Map(), generation: {}, meta: {} });
    const { model: loaded } = await store.loadArtefact('small');
    expectAllClose(await logitsOf(loaded), wanted, { absolute: 0 });
    await exportHuggingFace(loaded, new Map(), join(folder, 'hf'));
    const { model: materialized } = await importHuggingFace(join(folder, 'hf'), { tokenizer: 'optional' });
    expectAllClose(await logitsOf(materialized), wanted, { absolute: 1e-4 });
    const graph = buildLogitsGraph(loaded, { batch: 'B', length: 'T' });
    await writeOnnxModel(graph, { initializers: new Map(modelInputs(loaded)), path: join(folder, 'onnx'), name: 'small' });
    const session = await InferenceSession.create(join(folder, 'onnx/model.onnx'));
    const results = await session.run({ tokens: new Tensor('int64', tokens.data, tokens.shape) });
    expectAllClose(Float64Array.from(results['logits']!.data as Float32Array), wanted, { absolute: 1e-4 });
    await session.release();
  });

  it('can be compressed again: an adaptive embedding in 8 bits', async () => {
    const settings = { ratio: 0.7, training: short, include: ['embed.token.weight'], clusters: [8] };
    const { model: small } = await runFlop(settings, { engine, model: tinyModel({ ...gpt2Config, width: 32 }), corpus });
    const path = 'embed.token.weight';
    const { compressModel, methods, parseRecipe } = await import('#compress');
    const recipe = parseRecipe({ steps: [{ quantize: { bits: 8, groupSize: 16, include: [path] } }] }, methods);
    const { model: quantized } = await compressModel(small, recipe, { engine }, quietContext);
    expect(bytesOf(quantized, (each) => each === path)).toBeLessThan(0.6 * bytesOf(small, (each) => each === path));
    const [before, after] = [materializeParameter(small, path).data, materializeParameter(quantized, path).data];
    expectAllClose(after, before, { absolute: 0.05 });
    expectAllClose(await logitsOf(quantized), await logitsOf(small), { absolute: 0.5 });
  });

  it.each([
    ['BERT', tinyEncoder(bertConfig(twoLabels))],
    ['ALBERT, whose layers share one stored layer', tinyEncoder(albertConfig(twoLabels))],
  ])('trains a classifier on texts with labels: %s', async (_, encoder) => {
    const texts = tinyTexts(40);
    const settings = { ratio: 0.5, training: { ...training, steps: 20, batchSize: 4, sequenceLength: 13 } };
    const { model: small, report } = await runFlop(settings, { engine, model: encoder, corpus: { texts } });
    const [step] = report.steps;
    expect(Math.abs(step!.bytesAfter / step!.bytesBefore / 0.5 - 1)).toBeLessThan(0.03);
    expect(step!.layers.every(({ kindAfter }) => kindAfter === 'lowRank')).toBe(true);
    expect(bytesOf(small, () => true)).toBe(bytesOf(encoder, () => true) - step!.bytesBefore + step!.bytesAfter);
  });

  it('trains an encoder-decoder on pairs', async () => {
    const source = Int32Array.of(5, 6, 7, 2);
    const pairs = { pairs: Array.from({ length: 6 }, () => ({ source, target: Int32Array.of(9, 8, 2) })), numTooLong: 0 };
    const settings = { ratio: 0.5, training: { ...short, steps: 4 } };
    const { model: small, report } = await runFlop(settings, {
      engine,
      model: initializeModel(encoderDecoder, new Random(4)),
      corpus: { ...pairs, fingerprint: 'pairs', tokenizerHash: 'pairs' },
    });
    const [step] = report.steps;
    expect(Math.abs(step!.bytesAfter / step!.bytesBefore / 0.5 - 1)).toBeLessThan(0.05);
    expect([...small.parameters.values()].some(({ path, kind }) => path.includes('cross') && kind === 'lowRank')).toBe(true);
  });
});

it('stores the target though gates that closed too early have left the graph', async () => {
  const wild = { gateLearningRate: 4, multiplierLearningRate: 200, closedBelow: 0.4, recompileEvery: 3, targetWarmupSteps: 4 };
  const context = recordingContext();
  const settings = { ratio: 0.5, training: { ...training, steps: 40 }, ...wild };
  const { model: small } = await runFlop(settings, { engine, model, corpus, context });
  const [whole, smaller] = [0, 25].map((index) => context.events[index]!['deviceBytes']!);
  expect(smaller).toBeLessThan(0.9 * whole!);
  expect(Math.abs(share(small) / 0.5 - 1)).toBeLessThan(0.02);
});

describe('a run that was killed', () => {
  const killed = {
    ratio: 0.4,
    lagrangian: 'absolute',
    training: { ...training, steps: 30, checkpointEvery: 4 },
    recompileEvery: 6,
    settleSteps: 6,
  };
  const fast = { gateLearningRate: 2, multiplierLearningRate: 6 };

  /** Dies after the report of a step, without saving anything. */
  const dying = (step: number): OperationContext => ({
    signal: quietContext.signal,
    report: (progress) => {
      if (progress.phase === 'flop' && progress.step === step) throw new Error('killed');
    },
  });

  it('goes on to the same weights, from the middle of a stage, at its end, and from the last one', async () => {
    const settings = { ...killed, ...fast };
    const recorded = recordingContext();
    const { model: straight } = await runFlop(settings, { engine, model, corpus, context: recorded });
    const [whole, smaller] = [0, 20].map((index) => recorded.events[index]!['deviceBytes']!);
    expect(smaller).toBeLessThan(whole!);
    const folder = temporaryFolder();
    for (const step of [7, 12, 13, 24, 26, 29])
      await expect(runFlop(settings, { engine, model, corpus, folder, context: dying(step) })).rejects.toThrow(/killed/);
    const { model: resumed, report } = await runFlop(settings, { engine, model, corpus, folder });
    expect(hexOf(resumed)).toEqual(hexOf(straight));
    // A finished step is recalled, and reports the same.
    const again = await runFlop(settings, { engine, model, corpus, folder });
    expect(hexOf(again.model)).toEqual(hexOf(straight));
    expect(again.report).toEqual(report);
  });

  it('goes on after it was cancelled', async () => {
    const settings = { ...killed, ...fast, settleSteps: 0 };
    const { model: straight } = await runFlop(settings, { engine, model, corpus });
    const folder = temporaryFolder();
    for (const step of [6, 15]) {
      const controller = new AbortController();
      const report: OperationContext['report'] = (progress) => {
        if (progress.phase === 'flop' && progress.step === step) controller.abort();
      };
      const cancelled = runFlop(settings, { engine, model, corpus, folder, context: { signal: controller.signal, report } });
      await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    }
    const { model: resumed } = await runFlop(settings, { engine, model, corpus, folder });
    expect(hexOf(resumed)).toEqual(hexOf(straight));
  });
});

describe('flop refuses', () => {
  const refused = async (settings: object, of: Model = model): Promise<string> => {
    try {
      await runFlop(settings, { engine, model: of, corpus });
    } catch (error) {
      const { code, message } = AppError.from(error);
      return `[${code}] ${message}`;
    }
    return 'nothing';
  };

  it.each<[string, object, RegExp]>([
    ['more than there is', { ratio: 1.5 }, /bad_recipe.*steps\[0\]\.flop\.ratio.*1\.5/],
    ['no ratio', {}, /bad_recipe.*flop\.ratio/],
    ['less than one term of each matrix', { ratio: 0.01 }, /bad_recipe.*flop\.ratio: 0\.01 cannot be reached.*at least 0\.\d+/],
    ['a start below the target', { ratio: 0.5, startRatio: 0.3 }, /bad_recipe.*startRatio.*below the ratio 0\.5/],
    [
      'a warm-up that outlasts the gates',
      { ratio: 0.5, targetWarmupSteps: 9, training: { steps: 10 }, settleSteps: 2 },
      /bad_recipe.*targetWarmupSteps.*step 9.*8 steps/,
    ],
    ['a warm-up that outlasts the default steps', { ratio: 0.5, targetWarmupSteps: 1000 }, /bad_recipe.*flop\.targetWarmupSteps.*1000/],
    ['no step for the gates', { ratio: 0.5, training: { steps: 10 }, settleSteps: 10 }, /bad_recipe.*settleSteps/],
    ['patterns without a matrix', { ratio: 0.5, include: ['h.9.*'] }, /pattern_matches_nothing/],
    ['clusters without an embedding', { ratio: 0.5, clusters: [5] }, /bad_recipe.*flop\.clusters.*no embedding/],
    ['clusters of all tokens', { ratio: 0.5, clusters: [30, 10], include: ['embed.token.weight'] }, /bad_recipe.*leave none of the 40/],
    ['an unknown field', { ratio: 0.5, lagrange: 'signed' }, /bad_recipe.*lagrange.*lagrangian/],
    ['a sequence that is too long', { ratio: 0.5, training: { sequenceLength: 400 } }, /context_too_long.*flop\.training\.sequenceLength/],
  ])('%s', async (_, settings, message) => {
    expect(await refused(settings)).toMatch(message);
  });

  it('a random start of what it does not hold', async () => {
    const { model: factored } = await runFlop({ ratio: 0.5, training: short, include: ['h.0.*'] }, { engine, model, corpus });
    expect(await refused({ ratio: 0.5, start: 'random', include: ['h.1.*'], training: short }, factored)).toMatch(
      /unsupported.*no random start/,
    );
  });
});

it('touches the parameters that it says', () => {
  expect([...parameterSpecs(declarations(model)).keys()].filter(isBlockMatrix)).toHaveLength(8);
});
