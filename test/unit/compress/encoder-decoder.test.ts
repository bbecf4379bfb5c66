// Every method runs on encoder-decoders, and what it makes is the same model in the store, in folders and as ONNX.
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { compressModel, methods, type PairWindow, parseRecipe, selectMatrices, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import {
  architectureOf,
  buildPairLogitsGraph,
  denseParameter,
  type EncoderDecoderConfig,
  initializeModel,
  type Model,
  materializeParameter,
  modelInputs,
  parameterCounts,
  replaceParameters,
  type UnitAxis,
} from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { float32, type HostTensor, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { mask } from '../../golden/pairs.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { tinyWindows } from './tiny-model.ts';

const bart: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 40,
  width: 16,
  layers: 2,
  heads: 4,
  headWidth: 4,
  feedForwardWidth: 32,
  encoder: { layers: 1, heads: 2, headWidth: 8, feedForwardWidth: 24 },
  maxPositions: 24,
  tiedHead: true,
  normEpsilon: 1e-5,
  norm: 'layer',
  normPlacement: 'after',
  embeddingNorm: true,
  finalNorm: false,
  positions: { kind: 'learned', offset: 2 },
  biases: true,
  headBias: true,
  scaledEmbedding: false,
  scaledScores: true,
  scaledHead: false,
  gated: false,
  activation: 'gelu',
  startToken: 2,
  padToken: 1,
  beginToken: 0,
  endTokens: [2],
};

const t5: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 40,
  width: 16,
  layers: 1,
  heads: 4,
  headWidth: 4,
  feedForwardWidth: 32,
  encoder: { layers: 2, heads: 4, headWidth: 4, feedForwardWidth: 32 },
  maxPositions: 1 << 20,
  tiedHead: true,
  normEpsilon: 1e-6,
  norm: 'rms',
  normPlacement: 'before',
  embeddingNorm: false,
  finalNorm: true,
  positions: { kind: 'relative', buckets: 8, maxDistance: 12 },
  biases: false,
  headBias: false,
  scaledEmbedding: false,
  scaledScores: false,
  scaledHead: true,
  gated: true,
  activation: 'geluTanh',
  startToken: 0,
  padToken: 0,
  endTokens: [1],
};

/** A post-norm BART with its own vocabularies: transformers has no class for it. */
const unnamed: EncoderDecoderConfig = {
  ...bart,
  sourceVocabularySize: 33,
  embeddingNorm: false,
  positions: { kind: 'sinusoidal', form: 'tensor2tensor' },
};

let made: Promise<Engine> | undefined;
const engineOf = (): Promise<Engine> => {
  made ??= createOnnxEngine({ device: 'cpu', threads: 1 });
  return made;
};
afterAll(async () => (await made)?.dispose());

function ids(random: Random, rows: number, length: number, bound = 33): HostTensor<'int64'> {
  return int64(
    [rows, length],
    Array.from({ length: rows * length }, () => random.integer(bound)),
  );
}

async function* pairWindows(): AsyncGenerator<PairWindow> {
  const random = new Random(3);
  for (let index = 0; index < 6; index++) yield { source: ids(random, 2, 7 + index), tokens: ids(random, 2, 9) };
}

const random = new Random(9);
const inputs = {
  source: ids(random, 2, 6),
  sourceMask: mask([
    [1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 0],
  ]),
  tokens: ids(random, 2, 5),
};

async function logitsOf(model: Model): Promise<number[]> {
  const engine = await engineOf();
  const program = await engine.compile(buildPairLogitsGraph(model, { batch: 'B', sourceLength: 'S', length: 'T' }));
  const weights = Object.fromEntries(modelInputs(model));
  const named: Readonly<Record<string, HostTensor>> = { ...weights, ...inputs };
  const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, named[name]!])));
  const logits = Array.from(toNumbers(results['logits']!.read()));
  results['logits']!.release();
  await program.release();
  return logits;
}

async function compressed(model: Model, step: Readonly<Record<string, unknown>>): Promise<Model> {
  const engine = await engineOf();
  const calibration = new WindowCalibration(engine, pairWindows);
  return (await compressModel(model, parseRecipe({ steps: [step] }, methods), { engine, calibration }, quietContext)).model;
}

/** The store, a folder of transformers and ONNX Runtime give the logits that the model itself gives. */
async function expectSameEverywhere(model: Model, wanted: readonly number[]): Promise<void> {
  const store = await LocalStore.open(temporaryFolder());
  await store.saveArtefact('small', { model, tokenizerFiles: new Map(), generation: {}, meta: {} });
  const loaded = (await store.loadArtefact('small')).model;
  expect(loaded.config).toEqual(model.config);
  expectAllClose(await logitsOf(loaded), wanted, { absolute: 1e-6, what: 'store' });
  expectAllClose(await onnxLogits(model), wanted, { absolute: 1e-4, what: 'onnx' });
  const folder = join(temporaryFolder(), 'model');
  await exportHuggingFace(model, new Map(), folder);
  const imported = (await importHuggingFace(folder, { tokenizer: 'optional' })).model;
  expect(imported.config.layerShapes).toBeUndefined();
  expectAllClose(await logitsOf(imported), wanted, { absolute: 1e-4, what: 'folder' });
}

/** The model with some rows or columns of a dense matrix, or entries of a vector, multiplied. */
function scaled(model: Model, path: string, axis: 0 | 1, factorOf: (index: number) => number): Model {
  const { shape, data } = materializeParameter(model, path);
  const columns = shape[1] ?? 1;
  const numbers = data.map((value, index) => value * factorOf(axis === 0 ? Math.floor(index / columns) : index % columns));
  return replaceParameters(model, [denseParameter(path, float32(shape, numbers))]);
}

async function onnxLogits(model: Model): Promise<number[]> {
  const folder = temporaryFolder();
  const graph = buildPairLogitsGraph(model, { batch: 'B', sourceLength: 'S', length: 'T' });
  await writeOnnxModel(graph, { initializers: new Map(modelInputs(model)), path: folder, name: 'pairs' });
  const session = await InferenceSession.create(join(folder, 'model.onnx'));
  const tensor = ({ dtype, shape, data }: HostTensor): Tensor => new Tensor(dtype as 'int64', data as BigInt64Array, [...shape]);
  const { logits } = await session.run(Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, tensor(value)])));
  const found = Array.from(logits!.data as Float32Array);
  await session.release();
  return found;
}

const steps = [
  ['lowRank', { lowRank: { ratio: 0.6 } }, true],
  ['whitened lowRank', { lowRank: { method: 'whitened', ratio: 0.6 } }, true],
  ['kronecker', { kronecker: { ratio: 0.5 } }, true],
  ['quantize', { quantize: { bits: 8, groupSize: 16 } }, false],
  ['gptq', { quantize: { bits: 4, groupSize: 16, method: 'gptq' } }, false],
  ['awq', { quantize: { bits: 4, groupSize: 16, method: 'awq' } }, false],
  ['wanda', { prune: { method: 'wanda', sparsity: 0.5 } }, true],
] as const;

describe.each([
  ['a BART', bart],
  ['a T5', t5],
])('compressing %s', (_, config) => {
  const model = initializeModel(config, new Random(1), 0.2);

  it.each(steps)('by %s keeps it the same in the store, as a folder and as ONNX', async (_name, step, isFloat) => {
    const small = await compressed(model, step);
    const changed = [...small.parameters.values()].filter((parameter) => parameter !== model.parameters.get(parameter.path));
    for (const side of ['encoder.h.0.attn', 'decoder.h.0.cross', 'decoder.h.0.mlp'])
      expect(
        changed.some(({ path }) => path.startsWith(side)),
        side,
      ).toBe(true);
    const wanted = await logitsOf(small);
    expect(wanted.every(Number.isFinite)).toBe(true);
    const absolute = isFloat ? 1e-4 : 5e-2; // kernels of codes may round what they multiply
    expectAllClose(await onnxLogits(small), wanted, { absolute, what: 'onnx' });

    const store = await LocalStore.open(temporaryFolder());
    await store.saveArtefact('small', { model: small, tokenizerFiles: new Map(), generation: {}, meta: {} });
    const loaded = (await store.loadArtefact('small')).model;
    expect(loaded.config).toEqual(config);
    expectAllClose(await logitsOf(loaded), wanted, { absolute: 1e-6, what: 'store' });

    const folder = join(temporaryFolder(), 'model');
    await exportHuggingFace(small, new Map(), folder);
    expectAllClose(await logitsOf((await importHuggingFace(folder, { tokenizer: 'optional' })).model), wanted, {
      absolute,
      what: 'folder',
    });
  });

  it('calibrates every linear layer, each with the rows of its own side', async () => {
    const engine = await engineOf();
    const paths = selectMatrices(model, {}).map(({ path }) => path);
    const rows = new Map<string, number>();
    for await (const { paths: shared, tokens } of new WindowCalibration(engine, pairWindows).inputMoments(model, paths, quietContext))
      for (const path of shared) rows.set(path, tokens);
    expect([...rows.keys()].sort()).toEqual([...paths].sort());
    const sourceRows = 2 * (7 + 8 + 9 + 10 + 11 + 12);
    const targetRows = 2 * 9 * 6;
    expect(rows.get('encoder.h.0.attn.q.weight')).toBe(sourceRows);
    expect(rows.get('decoder.h.0.cross.k.weight')).toBe(sourceRows);
    expect(rows.get('decoder.h.0.cross.q.weight')).toBe(targetRows);
    expect(rows.get('decoder.h.0.mlp.fc.weight')).toBe(targetRows);
  });

  it('refuses text for calibration', async () => {
    const engine = await engineOf();
    const drain = async (): Promise<void> => {
      for await (const _moments of new WindowCalibration(engine, tinyWindows()).inputMoments(
        model,
        ['encoder.h.0.attn.q.weight'],
        quietContext,
      ));
    };
    await expect(drain()).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe.each([
  ['a BART', bart],
  ['a T5', t5],
  ['an mBART with a head of its own', { ...bart, normPlacement: 'before', finalNorm: true, tiedHead: false, headBias: false } as const],
])('what %s says of its parameters', (_, config) => {
  const model = initializeModel(config, new Random(1), 0.2);
  const axes = architectureOf(config).prunableUnits(config);

  it('holds for scales between norms or linear layers and what reads them', async () => {
    const factor = (channel: number): number => 1 + 0.5 * Math.sin(channel + 1);
    let turned = model;
    for (const { norm, readers } of architectureOf(config).normFeeds(config)) {
      for (const path of [`${norm}.weight`, `${norm}.bias`])
        if (model.parameters.has(path)) turned = scaled(turned, path, 0, (channel) => 1 / factor(channel));
      for (const path of readers) turned = scaled(turned, path, 0, factor);
    }
    for (const { source, bias, readers } of architectureOf(config).linearFeeds(config)) {
      turned = scaled(turned, source, 1, (channel) => 1 / factor(channel));
      if (bias !== undefined) turned = scaled(turned, bias, 0, (channel) => 1 / factor(channel));
      for (const path of readers) turned = scaled(turned, path, 0, factor);
    }
    expect(turned).not.toBe(model);
    expectAllClose(await logitsOf(turned), await logitsOf(model), { absolute: 1e-4 });
  });

  it.each([
    ['heads', 'uniform'],
    ['ffn', 'uniform'],
    ['heads', 'global'],
    ['ffn', 'global'],
  ] as const)('lets %s go that nothing reads, with a %s spread', async (structure, spread) => {
    // Half of the units of every axis, or all but one of the last axis and none of the others.
    const ofKind = axes.filter(({ kind }) => kind === structure);
    const total = ofKind.reduce((sum, { size }) => sum + size, 0);
    const last = ofKind.at(-1)!;
    const isDead = (axis: UnitAxis, unit: number): boolean => (spread === 'uniform' ? unit >= axis.size / 2 : axis === last && unit > 0);
    let dead = model;
    for (const axis of ofKind)
      for (const side of axis.sides)
        if (side.use === 'read') {
          const { width } = side.parts[0]!;
          dead = scaled(dead, side.path, 0, (row) => (isDead(axis, Math.floor(row / width)) ? 0 : 1));
        }
    const ratio = spread === 'uniform' ? 0.5 : (total - last.size + 1) / total;
    const small = await compressed(dead, { prune: { structure, ratio, spread, importance: 'magnitude' } });
    // A stack of one block has one size; T5's heads are those that read the source.
    const isUniform = structure === 'ffn' ? spread === 'uniform' || config === t5 : spread === 'uniform' && config !== t5;
    expect(small.config.layerShapes === undefined).toBe(isUniform);
    const wanted = await logitsOf(dead);
    expectAllClose(await logitsOf(small), wanted, { absolute: 1e-4 });
    await expectSameEverywhere(small, wanted);
  });

  it('repairs what reads the neurons that stay, and refuses to remove channels', async () => {
    const small = await compressed(model, { prune: { structure: 'ffn', ratio: 0.5 } });
    expect((await logitsOf(small)).every(Number.isFinite)).toBe(true);
    await expect(compressed(model, { prune: { structure: 'width', ratio: 0.5, importance: 'magnitude' } })).rejects.toMatchObject({
      code: 'unsupported',
    });
    await expect(compressed(model, { prune: { structure: 'layers', ratio: 0.5 } })).rejects.toThrow(/2 stacks of layers/);
  });
});

describe.each([
  ['a BART', { ...bart, encoder: { layers: 2, heads: 4, headWidth: 4, feedForwardWidth: 32 } }],
  ['a T5', { ...t5, layers: 2 }],
])('%s whose decoder is its encoder', (_, config) => {
  const model = initializeModel(config, new Random(1), 0.2);
  const bytes = (of: Model): number => parameterCounts(of).storedBytes;

  it.each([
    ['keeps its attention to the source', {}],
    ['has its self-attention for that too', { crossAttention: 'self' }],
  ])('%s, and is the same everywhere', async (_what, settings) => {
    const tied = await compressed(model, { share: { scheme: 'tiedEncoderDecoder', ...settings } });
    expect(tied.parameters.get('decoder.h.1.mlp.fc.weight')).toMatchObject({
      kind: 'shared',
      settings: { of: 'encoder.h.1.mlp.fc.weight' },
    });
    expect(bytes(tied)).toBeLessThan(bytes(model));
    const dense = replaceParameters(
      model,
      [...tied.parameters.keys()].map((path) => denseParameter(path, materializeParameter(tied, path))),
    );
    const wanted = await logitsOf(dense);
    expectAllClose(await logitsOf(tied), wanted, { absolute: 1e-6 });
    await expectSameEverywhere(tied, wanted);
  });

  it('counts what a shared layer reads on both sides', async () => {
    const tied = await compressed(model, { share: { scheme: 'tiedEncoderDecoder' } });
    const calibration = new WindowCalibration(await engineOf(), pairWindows);
    const rows: number[] = [];
    for await (const { tokens } of calibration.inputMoments(tied, ['encoder.h.1.mlp.fc.weight'], quietContext)) rows.push(tokens);
    expect(rows).toEqual([2 * (7 + 8 + 9 + 10 + 11 + 12) + 2 * 9 * 6]);
  });
});

describe('an encoder-decoder that transformers has no class for', () => {
  it('is kept in the store, written as ONNX, and refused as a folder', async () => {
    const model = initializeModel(unnamed, new Random(1), 0.2);
    const store = await LocalStore.open(temporaryFolder());
    await store.saveArtefact('own', { model, tokenizerFiles: new Map(), generation: {}, meta: {} });
    const loaded = (await store.loadArtefact('own')).model;
    expect(loaded.config).toEqual(unnamed);
    expectAllClose(await logitsOf(loaded), await logitsOf(model), { absolute: 1e-6 });
    expectAllClose(await onnxLogits(model), await logitsOf(model), { absolute: 1e-4 });
    const folder = join(temporaryFolder(), 'model');
    await expect(exportHuggingFace(model, new Map(), folder)).rejects.toMatchObject({ code: 'unsupported' });
  });
});
