// Encoder-decoders started from encoders, against EncoderDecoderModel.from_encoder_decoder_pretrained of transformers.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Graph, gradientName } from '#graph';
import { buildPairLogitsGraph, denseParameter, type Model, modelInputs, parameterCounts, replaceParameters, sharedOwner } from '#models';
import { exportHuggingFace, FolderWriter, importHuggingFace, localFileSystem, tensorSource, writeSafetensors } from '#store';
import { type HostTensor, transposeMatrix } from '#tensor';
import { modelTolerances } from '#test/tolerances';
import { checkpointTensors } from '../../src/store/hugging-face/tensor-names.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { itWithPython, runPython } from '../unit/store/python.ts';
import { expectClose, ids, type PackedTensor, unpack } from './golden.ts';
import { mask, pairGradientGraph } from './pairs.ts';

const names = ['bert', 'roberta'] as const;
type Tensors = Readonly<Record<string, PackedTensor>>;

interface WarmStartCase {
  readonly config: object;
  /** Of the encoder, under the names of transformers. */
  readonly state: Tensors;
  readonly start: number;
  readonly end: number;
  readonly cross: Tensors;
  readonly source: readonly (readonly number[])[];
  readonly sourceMask: readonly (readonly number[])[];
  readonly tokens: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
  readonly logits: PackedTensor;
  readonly loss: number;
  readonly sharedGradients: Tensors;
  readonly sharedParameters: number;
}

function golden(name: (typeof names)[number]): WarmStartCase {
  return JSON.parse(readFileSync(new URL(`data/warm-start-${name}.json`, import.meta.url), 'utf8')) as WarmStartCase;
}

async function encoderOf({ config, state }: WarmStartCase): Promise<Model> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const sources = new Map(Object.entries(state).map(([name, tensor]) => [name, tensorSource(unpack(tensor))]));
  await writeSafetensors(new FolderWriter(localFileSystem, folder), 'model.safetensors', sources);
  return (await importHuggingFace(folder, { tokenizer: 'optional' })).model;
}

describe.each(names)('an encoder-decoder started from a %s', (name) => {
  const made = golden(name);
  const inputs = { source: ids(made.source), sourceMask: mask(made.sourceMask), tokens: ids(made.tokens), labels: ids(made.labels) };
  const sizes = { batch: made.source.length, sourceLength: made.source[0]!.length, length: made.tokens[0]!.length };
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu' });
  });
  afterAll(() => engine.dispose());

  /** The attention to the source is that of transformers, since nobody's random numbers are those of another. */
  async function started(settings: object): Promise<Model> {
    const recipe = parseRecipe({ steps: [{ warmStart: { startToken: made.start, endToken: made.end, ...settings } }] }, methods);
    const { model } = await compressModel(await encoderOf(made), recipe, { engine }, quietContext);
    const cross = checkpointTensors(model.config).flatMap(({ name: theirs, spec, isTransposed }) => {
      const tensor = made.cross[theirs];
      if (tensor === undefined) return [];
      return [denseParameter(spec.path, isTransposed ? transposeMatrix(unpack(tensor)) : unpack(tensor))];
    });
    expect(cross).toHaveLength(Object.keys(made.cross).length);
    return replaceParameters(model, cross);
  }

  async function run(graph: Graph, available: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> {
    const program = await engine.compile(graph);
    const wanted = new Set(program.inputNames);
    const results = await program.run(Object.fromEntries(Object.entries(available).filter(([input]) => wanted.has(input))));
    return Object.fromEntries(Object.entries(results).map(([output, buffer]) => [output, buffer.read()]));
  }

  it.each([{}, { shareEmbedding: false }, { share: true }])('has the logits of transformers with %j', async (settings) => {
    const model = await started(settings);
    const { logits } = await run(buildPairLogitsGraph(model, sizes), { ...Object.fromEntries(modelInputs(model)), ...inputs });
    expectClose(logits!, unpack(made.logits), { absolute: modelTolerances.logits.absolute }, name);
  });

  it('stores shared stacks once, and the gradient of each tensor is the sum over both stacks', async () => {
    const model = await started({ share: true });
    expect(parameterCounts(model).stored).toBe(made.sharedParameters);
    const gradients = await run(pairGradientGraph(model, sizes), { ...Object.fromEntries(modelInputs(model)), ...inputs });
    const wanted = new Set(Object.keys(made.sharedGradients));
    for (const { name: theirs, spec, isTransposed } of checkpointTensors(model.config)) {
      // Ours is stored as the decoder's table, theirs is found first in the encoder.
      const key = spec.path === 'embed.token.weight' ? 'encoder.embeddings.word_embeddings.weight' : theirs;
      const tensor = made.sharedGradients[key];
      const gradient = gradients[gradientName(spec.path)];
      expect(gradient === undefined, spec.path).toBe(sharedOwner(model.parameters.get(spec.path)!) !== undefined);
      if (gradient === undefined) continue;
      wanted.delete(key);
      // Softmax ignores the biases of keys: their gradient is rounding alone.
      if (tensor === undefined || spec.path.endsWith('.k.bias')) continue;
      expectClose(gradient, isTransposed ? transposeMatrix(unpack(tensor)) : unpack(tensor), modelTolerances.gradients, spec.path);
    }
    expect([...wanted]).toEqual([]);
  });

  itWithPython('is loaded by transformers from its exported folder, with the same logits', async () => {
    const [goldens, folders] = [temporaryFolder(), temporaryFolder()];
    for (const [key, settings] of Object.entries({ both: {}, shared: { share: true }, apart: { shareEmbedding: false } })) {
      writeFileSync(join(goldens, `pairs-${key}.json`), JSON.stringify(made));
      await exportHuggingFace(await started(settings), new Map(), join(folders, key));
    }
    const differences = (await runPython('hugging-face/pairs_oracle.py', goldens, folders)) as Record<string, number>;
    expect(Object.keys(differences)).toHaveLength(3);
    for (const [key, difference] of Object.entries(differences)) expect(difference, key).toBeLessThan(1e-5);
  });
});
