// Low-rank updates, adapters, prompts and side networks against PyTorch: losses, and gradients of everything that trains.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { gradientName } from '#graph';
import { checkModel, modelInputs } from '#models';
import { toNumbers } from '#tensor';
import { modelTolerances } from '#test/tolerances';
import { crossEntropyObjective, type TrainingScheme } from '#train';
import { lowRankUpdates, updatedMatrices } from '../../src/compress/parameter-efficient/low-rank-update.ts';
import { buildGradientGraph } from '../../src/train/gradient-graph.ts';
import { schemeName } from '../../src/train/scheme.ts';
import { expectClose, ids, modelOf, type PackedTensor, type SmallCase, unpack } from './golden.ts';

interface AdaptationCase extends SmallCase {
  readonly labels: readonly (readonly number[])[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, PackedTensor>>;
  readonly rank?: number;
  readonly alpha?: number;
  readonly include?: readonly string[];
  readonly factors?: Readonly<Record<string, PackedTensor>>;
}

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

describe.each(engines)('adaptation on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  it.each(['lora', 'adapter', 'prompt', 'ladder'])('%s has the loss and the gradients of PyTorch', async (name) => {
    const golden = JSON.parse(readFileSync(new URL(`data/adaptation-${name}.json`, import.meta.url), 'utf8')) as AdaptationCase;
    const model = modelOf(golden);
    checkModel(model);
    const { rank = 1, alpha = 1, include = [], factors = {} } = golden;
    const settings = { rank, alpha, include };
    const isLora = golden.factors !== undefined;
    const scheme: TrainingScheme | undefined = isLora ? lowRankUpdates(model, updatedMatrices(model, settings), settings, 0) : undefined;
    const names = Object.keys(golden.gradients);
    const tokens = ids(golden.tokens);
    const [batch = 0, length = 0] = tokens.shape;
    const full = (path: string): string => (isLora ? schemeName(path) : path);
    const { graph } = buildGradientGraph(model, crossEntropyObjective(), {
      batch,
      length,
      trained: names.map(full),
      scheme,
      accumulates: false,
    });
    const program = await engine.compile(graph);
    const tensors = Object.fromEntries(Object.entries(factors).map(([path, tensor]) => [schemeName(path), unpack(tensor)]));
    const all = { ...Object.fromEntries(modelInputs(model)), ...tensors, tokens, labels: ids(golden.labels) };
    const inputs = Object.fromEntries(Object.entries(all).filter(([input]) => program.inputNames.includes(input)));
    const results = await program.run(inputs);
    expect(toNumbers(results['loss']!.read())[0]).toBeCloseTo(golden.loss, 5);
    for (const path of names)
      expectClose(results[gradientName(full(path))]!.read(), unpack(golden.gradients[path]!), modelTolerances.gradients, path);
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
  });
});
