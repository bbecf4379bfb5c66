// A result is loaded back in a fresh process before it gets its name, and gets none when that process finds anything wrong.
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type EncoderDecoderConfig, initializeModel, type Model } from '#models';
import { LocalStore } from '#store';
import { albertConfig, bertConfig, tinyEncoder } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import { largestDifference, type PendingCheck, ResultCheck } from '../../../src/jobs/verification/result-check.ts';
import { llamaConfig, tinyModel } from '../compress/tiny-model.ts';

const pairConfig: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 40,
  sourceVocabularySize: 33,
  width: 16,
  layers: 1,
  heads: 4,
  headWidth: 4,
  feedForwardWidth: 32,
  encoder: { layers: 2, heads: 2, headWidth: 8, feedForwardWidth: 24 },
  maxPositions: 24,
  tiedHead: true,
  normEpsilon: 1e-5,
  norm: 'layer',
  normPlacement: 'after',
  embeddingNorm: false,
  finalNorm: false,
  positions: { kind: 'sinusoidal', form: 'marian' },
  biases: true,
  headBias: true,
  scaledEmbedding: true,
  scaledScores: true,
  scaledHead: false,
  gated: false,
  activation: 'silu',
  startToken: 2,
  padToken: 1,
  endTokens: [2],
};

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

/** Saves as the hub does; `meddle` runs between the writing and the check. */
async function save(
  model: Model,
  check: ResultCheck,
  meddle: (folder: string, pending: PendingCheck) => Promise<void> | void = () => {},
  signal = quietContext.signal,
): Promise<{ store: LocalStore; found: number }> {
  const store = await LocalStore.open(temporaryFolder());
  const pending = check.begin(model);
  let found = Number.NaN;
  try {
    const content = { model, tokenizerFiles: new Map(), generation: {}, meta: {} };
    const verify = async (folder: string, hash: string): Promise<void> => {
      await meddle(folder, pending);
      found = (await pending.compare(folder, hash, { ...quietContext, signal })).maxRelativeDifference;
    };
    try {
      await store.saveArtefact('result', content, { verify });
    } catch (error) {
      // Nothing is kept, neither under the name nor without one.
      expect((await store.list()).versions).toEqual([]);
      for (const folder of ['objects', 'temp']) expect(await readdir(join(store.root, folder))).toEqual([]);
      throw error;
    }
  } finally {
    pending.end();
  }
  return { store, found };
}

/** A program in place of the one that loads the result. */
async function entryOf(code: string): Promise<string> {
  const path = join(await mkdtemp(join(temporaryFolder(), 'entry-')), 'entry.mjs');
  await writeFile(path, code);
  return path;
}

describe('a result in a fresh process', () => {
  it('computes what it computes here: dense, factored and in codes', async () => {
    const recipe = parseRecipe({ steps: [{ lowRank: { ratio: 0.5 } }, { quantize: { bits: 4, groupSize: 16 } }] }, methods);
    const compressed = await compressModel(tinyModel(llamaConfig), recipe, { engine }, quietContext);
    for (const model of [tinyModel(), compressed.model]) {
      const { store, found } = await save(model, new ResultCheck(engine));
      expect(found).toBeLessThan(1e-6);
      expect((await store.list()).versions).toHaveLength(1);
    }
  });

  it.each([
    ['an encoder with hidden tokens', tinyEncoder(bertConfig({ kind: 'masked' }))],
    ['an encoder with labels', tinyEncoder(albertConfig({ kind: 'classify', labels: ['no', 'perhaps', 'yes'] }))],
    ['an encoder of sentences', tinyEncoder(bertConfig({ kind: 'embed', pooling: 'mean', normalize: true }))],
    ['an encoder-decoder', initializeModel(pairConfig, new Random(1), 0.2)],
  ])('answers as here: %s', async (_what, model) => {
    const { found } = await save(model, new ResultCheck(engine));
    expect(found).toBeLessThan(1e-6);
  });

  it('is refused when a byte of it changed on the way', async () => {
    const meddle = async (folder: string): Promise<void> => {
      const path = join(folder, 'model.safetensors');
      const bytes = await readFile(path);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 0x40;
      await writeFile(path, bytes);
    };
    await expect(save(tinyModel(), new ResultCheck(engine), meddle)).rejects.toMatchObject({
      code: 'verification_failed',
      message: expect.stringMatching(/SHA-256.*Nothing was stored/s),
    });
  });

  it('is refused when it computes something else', async () => {
    const other = tinyModel(undefined, 2);
    const store = await LocalStore.open(temporaryFolder());
    const pending = new ResultCheck(engine).begin(other);
    const content = { model: tinyModel(), tokenizerFiles: new Map(), generation: {}, meta: {} };
    const verify = async (folder: string, hash: string): Promise<void> => void (await pending.compare(folder, hash, quietContext));
    await expect(store.saveArtefact('result', content, { verify })).rejects.toMatchObject({
      code: 'verification_failed',
      message: expect.stringMatching(/differ by .* of the largest/),
    });
  });

  it.each([
    ['dies', 'console.error("no room"); process.exit(7);', /exit code 7; its last words: no room/],
    ['is killed', 'process.kill(process.pid, "SIGKILL");', /ended by SIGKILL/],
    ['never answers', 'setInterval(() => {}, 1000);', /did not answer within 0 s/],
    ['does not start', 'throw new Error("broken");', /exit code 1.*broken/s],
  ])('is refused when that process %s', async (_, code, words) => {
    const check = new ResultCheck(engine, { entry: await entryOf(code), timeoutMs: 400 });
    await expect(save(tinyModel(), check)).rejects.toMatchObject({ code: 'verification_failed', message: expect.stringMatching(words) });
  });

  it('is refused when its logits are no numbers', async () => {
    const model = tinyModel();
    const [parameter] = model.parameters.values();
    const value = parameter?.tensors['value'];
    if (value === undefined) throw new Error('the first parameter is dense');
    value.data.fill(Number.NaN as never);
    await expect(save(model, new ResultCheck(engine))).rejects.toMatchObject({ code: 'bad_weights' });
  });

  it('leaves no process behind when the job is cancelled meanwhile', async () => {
    const stop = new AbortController();
    const check = new ResultCheck(engine, { entry: await entryOf('setInterval(() => {}, 1000);') });
    let processId = 0;
    const meddle = (_: string, pending: PendingCheck): void => {
      processId = pending.processId ?? 0;
      setTimeout(() => stop.abort(), 100);
    };
    await expect(save(tinyModel(), check, meddle, stop.signal)).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(() => isRunning(processId)).toBe(false);
  });
});

function isRunning(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch {
    return false;
  }
}

describe('the difference of logits', () => {
  it('is relative to the largest of each row, and infinite where one side is no number', () => {
    expect(largestDifference(Float32Array.of(1, 2, 100, 0), Float32Array.of(1, 2, 99, 0), 2)).toBeCloseTo(0.01, 6);
    expect(largestDifference(Float32Array.of(-Infinity, 2), Float32Array.of(-Infinity, 2), 2)).toBe(0);
    expect(largestDifference(Float32Array.of(1, 2), Float32Array.of(1, Number.NaN), 2)).toBe(Number.POSITIVE_INFINITY);
    expect(largestDifference(Float32Array.of(1, 2), Float32Array.of(1), 2)).toBe(Number.POSITIVE_INFINITY);
  });
});
