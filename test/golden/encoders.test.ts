// Small random encoders against transformers: import, answers to padded texts, gradients, and what stays after export.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, GraphBuilder, gradientName, gradients } from '#graph';
import {
  buildEncoderGraph,
  checkModel,
  encoderInputs,
  encoderNetwork,
  encoderOutputs,
  type Model,
  modelInputs,
  taskOf,
  untieHead,
} from '#models';
import { EncoderRunner } from '#serve';
import { exportHuggingFace, importHuggingFace } from '#store';
import { float32, type HostTensor, int64, toNumbers } from '#tensor';
import { temporaryFolder } from '#test/temporary';
import { modelTolerances } from '#test/tolerances';
import { itWithPython, runPython } from '../unit/store/python.ts';
import { type EncoderCase, encoderBatch, encoderCase, encoderCaseNames, openEncoder } from './encoder-golden.ts';
import { expectClose, unpack } from './golden.ts';

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

async function run(engine: Engine, graph: Graph, model: Model, inputs: Readonly<Record<string, HostTensor>>) {
  const program = await engine.compile(graph);
  const all: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(model)), ...inputs };
  const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, all[name]!])));
  const tensors = Object.fromEntries(Object.entries(results).map(([name, buffer]) => [name, buffer.read()]));
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return tensors;
}

const expectAnswer = (actual: HostTensor, wanted: HostTensor, golden: EncoderCase, what: string) => {
  // What an answer says of padding is nobody's business.
  const isPerToken = wanted.shape.length === 3;
  const width = wanted.shape.at(-1)!;
  const real = golden.mask.flat();
  const kept = (tensor: HostTensor): HostTensor => {
    if (!isPerToken) return tensor;
    const data = Float32Array.from(toNumbers(tensor)).map((value, index) => (real[Math.floor(index / width)] === 1 ? value : 0));
    return { dtype: 'float32', shape: tensor.shape, data };
  };
  expectClose(kept(actual), kept(wanted), { absolute: modelTolerances.logits.absolute }, what);
};

describe.each(engines)('encoders on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  it.each(encoderCaseNames)('%s answers as in transformers', async (name) => {
    const golden = encoderCase(name);
    const model = await openEncoder(temporaryFolder(), golden);
    const batch = encoderBatch(golden);
    const answer = async (of: Model) => run(engine, buildEncoderGraph(of, { batch: 'B', length: 'T' }), of, batch);
    if (golden.logits !== undefined) return expectAnswer((await answer(model))['logits']!, unpack(golden.logits), golden, name);
    const { config } = model;
    if (config.architecture !== 'bert' && config.architecture !== 'albert') throw new Error('not an encoder');
    const as = (normalize: boolean): Model => ({ ...model, config: { ...config, task: { kind: 'embed', pooling: 'mean', normalize } } });
    expectAnswer((await answer(as(false)))['embedding']!, unpack(golden.mean!), golden, `${name}, mean`);
    expectAnswer((await answer(as(true)))['embedding']!, unpack(golden.normalized!), golden, `${name}, normalized`);
  });

  it.each(encoderCaseNames)('%s answers so without padding too, each text whoever else is there', async (name) => {
    const golden = encoderCase(name);
    const model = await openEncoder(temporaryFolder(), golden);
    const runner = await EncoderRunner.create(engine, model, name);
    const isMasked = taskOf(model.config).kind === 'masked';
    const rows = golden.tokens.map((tokens, row) => {
      const real = [...tokens.keys()].filter((place) => golden.mask[row]![place] === 1);
      const types = Uint8Array.from(real, (place) => golden.tokenTypes[row]![place]!);
      return { ids: Int32Array.from(real, (place) => tokens[place]!), types, maskPlaces: isMasked ? [...real.keys()] : [] };
    });
    const wanted = unpack((golden.logits ?? golden.mean)!);
    const width = wanted.shape.at(-1)!;
    const longest = golden.tokens[0]!.length;
    for (const batch of [rows, ...rows.map((row) => [row])]) {
      const answers = await runner.run(batch, new AbortController().signal);
      for (const [place, vectors] of answers.entries()) {
        if (vectors instanceof Error) throw vectors;
        const row = rows.indexOf(batch[place]!);
        for (const [index, vector] of vectors.entries()) {
          const offset = (isMasked ? row * longest + index : row) * width;
          const expected = float32([width], Float32Array.from(toNumbers(wanted)).slice(offset, offset + width));
          expectClose(float32([width], vector), expected, { absolute: modelTolerances.logits.absolute }, `${name}, text ${row}`);
        }
      }
    }
    await runner.dispose();
  });

  it.each(['bert-masked', 'bert-classify', 'albert-masked'])('%s has the loss and every gradient of PyTorch', async (name) => {
    const golden = encoderCase(name);
    const folder = temporaryFolder();
    const model = await openEncoder(join(folder, 'weights'), golden);
    const wanted = await openEncoder(join(folder, 'gradients'), golden, golden.gradients!);
    const batch = encoderBatch(golden);
    const [B = 0, T = 0] = batch['tokens']!.shape;
    const labels = int64([golden.labels!.length], golden.labels!);

    const b = new GraphBuilder();
    const inputs = encoderInputs(b, model, { batch: B, length: T });
    const net = encoderNetwork(b, model, inputs);
    const hidden = net.hidden(inputs.tokens);
    const logits =
      golden.rows === undefined
        ? encoderOutputs(b, model, net, hidden, inputs)['logits']!
        : net.logits(b.gather(hidden, b.constant(int64([golden.rows.length], golden.rows))));
    const loss = b.reduceMean(b.crossEntropy(logits, b.constant(labels))[0], [0]);
    const names = [...net.parameterInputs.keys()];
    const made = gradients(b, loss, [...net.parameterInputs.values()]);
    const graph = b.graph({ loss, ...Object.fromEntries(names.map((path, index) => [gradientName(path), made[index]!])) });
    const results = await run(engine, graph, model, batch);

    expect(toNumbers(results['loss']!)[0]).toBeCloseTo(golden.loss!, 5);
    expect(new Set(names)).toEqual(new Set(model.parameters.keys()));
    for (const [path, { tensors }] of wanted.parameters)
      expectClose(results[gradientName(path)]!, tensors['value']!, modelTolerances.gradients, path);
  });
});

describe('golden encoders in folders', () => {
  it.each(encoderCaseNames)('%s comes back from an export as it was', async (name) => {
    const golden = encoderCase(name);
    const folder = temporaryFolder();
    const model = await openEncoder(join(folder, 'first'), golden);
    checkModel(model);
    await exportHuggingFace(model, new Map(), join(folder, 'second'));
    const again = (await importHuggingFace(join(folder, 'second'), { tokenizer: 'optional' })).model;
    expect(again.config).toEqual(model.config);
    expect([...again.parameters.keys()]).toEqual([...model.parameters.keys()]);
    for (const [path, { tensors }] of model.parameters) expect(again.parameters.get(path)?.tensors, path).toEqual(tensors);
  });

  itWithPython('are exported so that transformers answers the same', async () => {
    const folder = temporaryFolder();
    for (const name of encoderCaseNames) {
      const model = await openEncoder(join(folder, 'theirs', name), encoderCase(name));
      mkdirSync(join(folder, 'ours'), { recursive: true });
      await exportHuggingFace(model, new Map(), join(folder, 'ours', name));
    }
    const differences = await runPython('encoders_oracle.py', join(folder, 'theirs'), join(folder, 'ours'));
    expect(Object.keys(differences as object).sort()).toEqual([...encoderCaseNames].sort());
    for (const [name, difference] of Object.entries(differences as Record<string, number>)) expect(difference, name).toBeLessThan(1e-5);
  });

  it.each(['bert-masked', 'roberta-masked', 'distilbert-masked', 'albert-masked'])(
    '%s answers the same with a head of its own, also after an export',
    async (name) => {
      const golden = encoderCase(name);
      const folder = temporaryFolder();
      const untied = untieHead(await openEncoder(join(folder, 'tied'), golden));
      checkModel(untied);
      expect(untied.parameters.has('head.weight')).toBe(true);
      await exportHuggingFace(untied, new Map(), join(folder, 'untied'));
      const { model } = await importHuggingFace(join(folder, 'untied'), { tokenizer: 'optional' });
      expect(model.config.tiedHead).toBe(false);
      const engine = createReferenceEngine();
      const { logits } = await run(engine, buildEncoderGraph(model, { batch: 'B', length: 'T' }), model, encoderBatch(golden));
      expectAnswer(logits!, unpack(golden.logits!), golden, name);
      await engine.dispose();
    },
  );

  it('leaves a model without a head over the vocabulary as it is when the head is to be untied', async () => {
    const model = await openEncoder(temporaryFolder(), encoderCase('bert-classify'));
    expect(untieHead(model)).toBe(model);
  });

  it('reads checkpoints with and without the prefix, and the names of the first BERT', async () => {
    const golden = encoderCase('bert-classify');
    const folder = temporaryFolder();
    const model = await openEncoder(join(folder, 'with'), golden);
    const renamed = Object.fromEntries(
      Object.entries(golden.tensors).map(([name, tensor]) => [
        name
          .replace(/^bert\./, '')
          .replace('LayerNorm.weight', 'LayerNorm.gamma')
          .replace('LayerNorm.bias', 'LayerNorm.beta'),
        tensor,
      ]),
    );
    const bare = await openEncoder(join(folder, 'without'), golden, renamed);
    for (const [path, { tensors }] of model.parameters) expect(bare.parameters.get(path)?.tensors, path).toEqual(tensors);
  });
});
