// Quantization-aware training and learned pruning of a trained model on real text: a few steps win back much of what was lost at one go.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel } from '#evaluate';
import type { Model } from '#models';
import { importHuggingFace } from '#store';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { textFromStrings, tokenizeCorpus } from '#text';
import { runRecipe } from '../../../support/recipe-runs.ts';

describe('wiki-gpt2-7m', async () => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());
  const { model } = await importHuggingFace(fixtureModelFolder('wiki-gpt2-7m'));
  const read = (name: string, characters: number) =>
    tokenizeCorpus(
      textFromStrings([readFileSync(join(repositoryRoot, 'test/fixtures/text', name), 'utf8').slice(0, characters)]),
      fixtureTokenizer('wiki-gpt2-7m'),
      quietContext,
    );
  const [corpus, heldOut] = [await read('distill.txt', 20_000), await read('evaluate.txt', 2_000)];
  const training = { steps: 8, batchSize: 2, sequenceLength: 64, learningRate: 3e-4, warmupSteps: 1, checkpointEvery: 0 };
  const bitsPerByte = async (which: Model): Promise<number> =>
    (await evaluateModel(which, { corpus: heldOut, window: 128, stride: 128, latency: false }, engine, quietContext)).bitsPerByte;
  const scoreAfter = async (step: object): Promise<number> =>
    bitsPerByte((await runRecipe({ engine, model, corpus, steps: [step] })).model);

  it('learns to live with two bits', async () => {
    const whole = await bitsPerByte(model);
    const lost = (await scoreAfter({ quantize: { bits: 2 } })) - whole;
    const left = (await scoreAfter({ qat: { bits: 2, training } })) - whole;
    expect(lost).toBeGreaterThan(0.2);
    expect(left).toBeLessThan(0.85 * lost);
  });

  it('learns to live with seven zeros in ten', async () => {
    const whole = await bitsPerByte(model);
    const lost = (await scoreAfter({ prune: { sparsity: 0.7 } })) - whole;
    const left = (await scoreAfter({ prune: { method: 'gradual', sparsity: 0.7, every: 2, cooldownSteps: 3, training } })) - whole;
    expect(lost).toBeGreaterThan(0.3);
    expect(left).toBeLessThan(0.95 * lost);
  });
});
