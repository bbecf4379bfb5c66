// A distillation on tensorflow follows the same losses as on onnx.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import type { ModelConfig } from '#models';
import { importHuggingFace } from '#store';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { tensorflowForSuite } from '#test/tensorflow';
import { textFromStrings, tokenizeCorpus } from '#text';
import { gpt2, tinyCorpus, tinyModel, watch } from '../../train/tiny-training.ts';

const numSteps = 50;

/** Promised bound on the difference of a step's losses. */
const allowed = 1e-3;

describe('distillation on tensorflow', () => {
  const tensorflow = tensorflowForSuite();
  let onnx: Engine;
  beforeAll(async () => {
    onnx = await createOnnxEngine();
  });
  afterAll(() => onnx.dispose());

  async function lossesOf(engine: Engine, request: Omit<Parameters<typeof distillModel>[0], 'settings'>): Promise<number[]> {
    const settings = distillSettings({
      steps: numSteps,
      batchSize: 4,
      sequenceLength: 32,
      learningRate: 0.003,
      warmupSteps: 5,
      temperature: 2,
      alpha: 0.9,
    });
    const { reports, ...context } = watch();
    await distillModel({ ...request, settings }, engine, context);
    return reports.map(({ metrics }) => metrics?.['loss'] ?? Number.NaN);
  }

  async function expectSameLosses(request: Omit<Parameters<typeof distillModel>[0], 'settings'>): Promise<void> {
    const [expected, actual] = [await lossesOf(onnx, request), await lossesOf(tensorflow(), request)];
    expect(expected).toHaveLength(numSteps);
    // It learns, so that the losses say something about the gradients.
    expect(expected.at(-1)).toBeLessThan(0.95 * (expected[0] ?? 0));
    expected.forEach((loss, step) => {
      expect(Math.abs((actual[step] ?? Number.NaN) - loss), `step ${step + 1}: onnx ${loss}, tensorflow ${actual[step]}`).toBeLessThan(
        allowed,
      );
    });
    expect(tensorflow().counters()).toMatchObject({ buffers: 0, programs: 0 });
  }

  it('gives the losses of onnx for 50 steps: a real teacher on real text', async () => {
    const { model: teacher } = await importHuggingFace(fixtureModelFolder('stories260K'));
    const text = readFileSync(join(repositoryRoot, 'test/fixtures/text/distill.txt'), 'utf8').slice(0, 40_000);
    const corpus = await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer('stories260K'), quietContext);
    const config: ModelConfig = { ...teacher.config, layers: 2 } as ModelConfig;
    await expectSameLosses({ student: tinyModel(config, 3), teacher, corpus });
  });

  it('gives the losses of onnx for 50 steps: a table so large that the optimizer takes it in pieces', async () => {
    const config = { ...gpt2, vocabularySize: 2 ** 15, width: 16, maxPositions: 32 };
    await expectSameLosses({
      student: tinyModel(config, 1),
      teacher: tinyModel({ ...config, layers: 1 }, 2),
      corpus: tinyCorpus(600, config.vocabularySize),
    });
  });
});
