// Small random encoder-decoders against transformers: logits, losses, gradients, cached decoding, folders.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, gradientName } from '#graph';
import {
  buildEncodeGraph,
  buildPairDecodeGraph,
  buildPairLogitsGraph,
  buildPairScoreGraph,
  cacheTensors,
  type Model,
  materializeParameter,
  modelInputs,
  sourceTensors,
  untieHead,
} from '#models';
import { exportHuggingFace, importHuggingFace } from '#store';
import { float32, type HostTensor, hostTensor, int32, int64, toNumbers } from '#tensor';
import { modelTolerances } from '#test/tolerances';
import { temporaryFolder } from '../support/temporary.ts';
import { itWithPython, runPython } from '../unit/store/python.ts';
import { expectClose, unpack } from './golden.ts';
import { type PairCase, pairCase, pairCaseNames, pairFolder, pairGradientGraph, pairInputs, pairModel } from './pairs.ts';

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

function sizesOf(golden: PairCase): { batch: number; sourceLength: number; length: number } {
  return { batch: golden.source.length, sourceLength: golden.source[0]!.length, length: golden.tokens[0]!.length };
}

describe.each(engines)('encoder-decoders on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  /** Runs a graph once and reads its results. */
  async function run(graph: Graph, inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> {
    const program = await engine.compile(graph);
    const wanted = new Set(program.inputNames);
    const results = await program.run(Object.fromEntries(Object.entries(inputs).filter(([name]) => wanted.has(name))));
    const tensors = Object.fromEntries(Object.entries(results).map(([name, buffer]) => [name, buffer.read()]));
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
    return tensors;
  }

  it.each(pairCaseNames)('%s has the logits and the loss of transformers', async (name) => {
    const golden = pairCase(name);
    const model = await pairModel(golden);
    const inputs = { ...Object.fromEntries(modelInputs(model)), ...pairInputs(golden) };
    const { logits } = await run(buildPairLogitsGraph(model, sizesOf(golden)), inputs);
    expectClose(logits!, unpack(golden.logits), { absolute: modelTolerances.logits.absolute }, name);
    const { loss } = await run(buildPairScoreGraph(model, sizesOf(golden)), inputs);
    expectClose(loss!, float32([], [golden.loss]), modelTolerances.losses, `${name} loss`);
  });

  it.each(pairCaseNames)('%s has them with sizes that only the run knows', async (name) => {
    const golden = pairCase(name);
    const model = await pairModel(golden);
    const inputs = { ...Object.fromEntries(modelInputs(model)), ...pairInputs(golden) };
    const { logits } = await run(buildPairLogitsGraph(model, { batch: 'B', sourceLength: 'S', length: 'T' }), inputs);
    expectClose(logits!, unpack(golden.logits), { absolute: modelTolerances.logits.absolute }, name);
  });

  it.each(pairCaseNames.filter((name) => pairCase(name).gradients !== undefined))('%s has the gradients of PyTorch', async (name) => {
    const golden = pairCase(name);
    const model = await pairModel(golden);
    const wanted = await gradientModel(golden);
    const made = await run(pairGradientGraph(model, sizesOf(golden)), { ...Object.fromEntries(modelInputs(model)), ...pairInputs(golden) });
    for (const path of wanted.parameters.keys()) {
      // Softmax ignores the biases of keys: their gradient is rounding alone. The bias of the logits is a constant there.
      if (path.endsWith('.k.bias') || path === 'head.bias') continue;
      expectClose(made[gradientName(path)]!, materializeParameter(wanted, path), modelTolerances.gradients, path);
    }
  });

  it.each(pairCaseNames)('%s has the logits token by token, two sequences a source, with caches that move between them', async (name) => {
    const golden = pairCase(name);
    const model = await pairModel(golden);
    const { batch, sourceLength, length } = sizesOf(golden);
    const sequences = 2;
    const rows = batch * sequences;
    const weights = Object.fromEntries(modelInputs(model));
    const inputs = pairInputs(golden);
    const sources = await run(buildEncodeGraph(model, { batch: 'B', sourceLength: 'S' }), { ...weights, ...inputs });
    expect(Object.keys(sources).sort()).toEqual(
      sourceTensors(model)
        .map((tensor) => tensor.name)
        .sort(),
    );
    const graph = buildPairDecodeGraph(model, { batch: 'B', sourceLength: 'S', sequences, room: length, reorders: true });
    const cache = cacheTensors(model, rows, length);
    let caches: Record<string, HostTensor> = Object.fromEntries(cache.map(({ input, shape }) => [input, hostTensor('float32', shape)]));
    const wanted = unpack(golden.logits);
    const V = model.config.vocabularySize;
    expect([sourceLength, wanted.shape[2]]).toEqual([golden.source[0]!.length, V]);
    // The second sequence of each source reads another token at every step; then both go on from the first.
    const parents = Array.from({ length: rows }, (_row, index) => index - (index % sequences));
    for (let position = 0; position < length; position++) {
      const tokens = Array.from({ length: rows }, (_row, index) =>
        index % sequences === 0 || position % 2 === 0 ? golden.tokens[Math.floor(index / sequences)]![position]! : 3,
      );
      const results = await run(graph, {
        ...weights,
        ...sources,
        ...caches,
        sourceMask: inputs['sourceMask']!,
        tokens: int64([rows / sequences, sequences], tokens),
        positions: int64([rows / sequences, sequences], new Array(rows).fill(position)),
        keyPositions: int64(
          [position + 1],
          Array.from({ length: position + 1 }, (_key, index) => index),
        ),
        lastIndex: int32([rows], new Array(rows).fill(position)),
        totalLength: int32([1], [position + 1]),
        parents: int64([rows], parents),
      });
      const logits = toNumbers(results['logits']!);
      for (let row = 0; row < rows; row++) {
        if (row % sequences !== 0 && position % 2 !== 0) continue;
        const offset = (Math.floor(row / sequences) * length + position) * V;
        expectClose(
          float32([V], Float32Array.from(logits.slice(row * V, (row + 1) * V))),
          float32([V], wanted.data.slice(offset, offset + V)),
          { absolute: modelTolerances.logits.absolute },
          `${name}, sequence ${row}, position ${position}`,
        );
      }
      caches = Object.fromEntries(cache.map(({ input, output }) => [input, results[output]!]));
    }
  });
});

/** The gradients as a model, so that they are read under the names and layouts of the weights. */
async function gradientModel(golden: PairCase): Promise<Model> {
  const { gradients: made = {} } = golden;
  const bias = Object.fromEntries(Object.entries(golden.state).filter(([name]) => name === 'final_logits_bias'));
  return pairModel({ ...golden, state: { ...made, ...bias } });
}

describe('folders of encoder-decoders', () => {
  it.each(pairCaseNames)('%s is the same after export and import', async (name) => {
    const model = await pairModel(pairCase(name));
    const folder = join(temporaryFolder(), 'model');
    await exportHuggingFace(model, new Map(), folder);
    const again = (await importHuggingFace(folder, { tokenizer: 'optional' })).model;
    expect(again.config).toEqual(model.config);
    for (const [path, { tensors }] of model.parameters) expect(again.parameters.get(path)!.tensors, path).toEqual(tensors);
  });

  itWithPython('transformers computes the same logits from them, with a tied head and with one of its own', async () => {
    const folders = temporaryFolder();
    for (const name of pairCaseNames) {
      const model = await pairModel(pairCase(name));
      await exportHuggingFace(model, new Map(), join(folders, name));
      if (model.config.tiedHead) await exportHuggingFace(untieHead(model), new Map(), join(folders, `${name}@untied`));
    }
    const goldenData = join(import.meta.dirname, 'data');
    const differences = (await runPython('hugging-face/pairs_oracle.py', goldenData, folders)) as Record<string, number>;
    expect(Object.keys(differences)).toHaveLength(2 * pairCaseNames.length - 1);
    for (const [name, difference] of Object.entries(differences)) expect(difference, name).toBeLessThan(1e-5);
  });

  it('keeps two tables of one vocabulary apart: they are refused where the model has one', async () => {
    const golden = pairCase('bart');
    const other = {
      ...golden.state['model.shared.weight']!,
      float32: golden.state['model.shared.weight']!.float32.replace(/^..../, 'AAAA'),
    };
    const state = { ...golden.state, 'model.encoder.embed_tokens.weight': other };
    await expect(pairModel({ ...golden, state })).rejects.toThrow(/share one table of tokens, but "model.encoder.embed_tokens.weight"/);
  });

  it('reads a BART without the bias of its logits, whose older checkpoints lack it', async () => {
    const golden = pairCase('bart');
    const { final_logits_bias: _bias, ...state } = golden.state;
    const model = await pairModel({ ...golden, state });
    expect(model.parameters.has('head.bias')).toBe(false);
  });

  it('keeps how targets are searched, and takes the start token of the generation settings', async () => {
    const folder = await pairFolder(pairCase('bart'));
    const settings = {
      num_beams: 4,
      length_penalty: 2,
      early_stopping: 'never',
      no_repeat_ngram_size: 3,
      forced_eos_token_id: 2,
      max_length: 14,
    };
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify({ ...settings, decoder_start_token_id: 5 }));
    const { model, generation } = await importHuggingFace(folder, { tokenizer: 'optional' });
    expect(model.config).toMatchObject({ startToken: 5 });
    const copy = join(temporaryFolder(), 'model');
    await exportHuggingFace(model, new Map(), copy, { generation });
    expect(JSON.parse(readFileSync(join(copy, 'generation_config.json'), 'utf8'))).toMatchObject({
      ...settings,
      decoder_start_token_id: 5,
    });
  });
});
