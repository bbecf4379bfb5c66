// Layer-dropped students of a real model on real text: they begin near their teacher, and losses on its insides bring them nearer.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel, type Model } from '#models';
import { importHuggingFace } from '#store';
import { type TokenCorpus, textFromStrings, tokenizeCorpus, tokenizerFromFiles } from '#text';
import { watch } from '../../train/tiny-training.ts';
import { lossesOf } from './measured-losses.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url));

let engine: Engine;
let teacher: Model;
let corpus: TokenCorpus;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
  const { model, tokenizerFiles } = await importHuggingFace(fixture('models/wiki-gpt2-7m'));
  teacher = model;
  const text = readFileSync(fixture('text/distill.txt'), 'utf8').slice(0, 40_000);
  corpus = await tokenizeCorpus(textFromStrings([text]), tokenizerFromFiles(tokenizerFiles), quietContext);
});
afterAll(() => engine.dispose());

it('a student of every other layer starts far below a random one, and comes nearer in states and answers', async () => {
  const recipe = parseRecipe({ steps: [{ prune: { structure: 'layers', ratio: 0.5, importance: 'spacing' } }] }, methods);
  const { model: dropped, report } = await compressModel(teacher, recipe, { engine }, quietContext);
  expect(report.steps[0]?.note).toBe('removed layers 1, 2, 4 of 6');
  const losses = lossesOf(
    { kind: 'logits', weight: 5, temperature: 2 },
    { kind: 'labels', weight: 2 },
    { kind: 'hidden', distance: 'cosine', layers: [[-1, -1]] },
    { kind: 'relation', of: 'minilmv2', weight: 0.1 },
  );
  const settings = distillSettings({
    steps: 10,
    batchSize: 2,
    sequenceLength: 64,
    warmupSteps: 2,
    checkpointEvery: 0,
    learningRate: 1e-3,
    losses,
  });
  const trained = async (student: Model) => {
    const { reports, ...context } = watch();
    await distillModel({ student, teacher, corpus, settings }, engine, context);
    const of = (name: string, from: number, to?: number): number => {
      const values = reports.slice(from, to).map(({ metrics }) => metrics![name]!);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    return { first: (name: string) => of(name, 0, 2), last: (name: string) => of(name, -2) };
  };
  const near = await trained(dropped);
  for (const name of ['divergence', 'hidden', 'relation']) expect(near.last(name), name).toBeLessThan(0.95 * near.first(name));
  const far = await trained(initializeModel(dropped.config, new Random(1)));
  expect(near.last('crossEntropy')).toBeLessThan(far.last('crossEntropy') - 0.5);
});
