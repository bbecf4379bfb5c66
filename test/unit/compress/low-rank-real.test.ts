// Low rank on trained models: which way of cutting and of sharing out bytes costs least of the loss, on text that calibration did not see.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { methods, type TokenWindows, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import type { Model } from '#models';
import { importHuggingFace } from '#store';
import { int64 } from '#tensor';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { textFromStrings, tokenizeCorpus } from '#text';

async function textWindows(name: 'wiki-gpt2-7m' | 'stories260K', file: string, count: number): Promise<TokenWindows> {
  const text = readFileSync(join(repositoryRoot, 'test/fixtures/text', file), 'utf8').slice(0, 60_000);
  const corpus = await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer(name), quietContext);
  return async function* () {
    for (let index = 0; index < count && (index + 1) * 512 <= corpus.tokens.length; index++)
      yield int64([4, 128], Array.from(corpus.tokens.slice(index * 512, (index + 1) * 512), Number));
  };
}

/** Two blocks of the larger model are enough to tell the methods apart. */
const cases = [
  ['wiki-gpt2-7m', ['h.1.*', 'h.4.*']],
  ['stories260K', ['h.*']],
] as const;

describe.each(cases)('low rank of %s', async (name, include) => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());
  const { model } = await importHuggingFace(fixtureModelFolder(name));
  const calibration = new WindowCalibration(engine, await textWindows(name, 'distill.txt', 6));
  const heldOut = new WindowCalibration(engine, await textWindows(name, 'evaluate.txt', 4));

  async function lossOf(which: Model): Promise<number> {
    const probe = await heldOut.lossProbe(which, [], quietContext);
    const loss = await probe.loss();
    await probe.release();
    return loss;
  }

  async function lossAfter(settings: object): Promise<number> {
    const step = methods['lowRank']!.step({ ratio: 0.5, include, ...settings }, 'lowRank');
    const { model: after, report } = await step.apply(model, { engine, calibration }, quietContext);
    expect(report.bytesAfter).toBeLessThanOrEqual(0.5 * report.bytesBefore);
    return await lossOf(after);
  }

  it('costs least when whitened, most when plain, and FWSVD and ASVD are between', { timeout: 60_000 }, async () => {
    const dense = await lossOf(model);
    const plain = await lossAfter({ method: 'plain' });
    const whitened = await lossAfter({ method: 'whitened' });
    expect(whitened).toBeGreaterThan(dense);
    for (const method of ['fwsvd', 'asvd']) {
      const loss = await lossAfter({ method });
      expect(loss, method).toBeGreaterThan(whitened);
      expect(loss, method).toBeLessThan(plain);
    }
  });

  it('costs less when bytes are shared out by the loss than when every matrix keeps the ratio', { timeout: 60_000 }, async () => {
    expect(await lossAfter({ method: 'whitened', allocate: 'loss' })).toBeLessThan(await lossAfter({ method: 'whitened' }));
  });
});
