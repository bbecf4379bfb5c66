// Every method runs on encoder-decoders, and what it makes is the same model in the store, in folders and as ONNX.
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { compressModel, methods, type PairWindow, parseRecipe, selectMatrices, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { buildPairLogitsGraph, type EncoderDecoderConfig, initializeModel, type Model, modelInputs } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { type HostTensor, int64, toNumbers } from '#tensor';
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
