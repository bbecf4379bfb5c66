// Small random models against PyTorch: logits and gradients of odd shapes, on both engines.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { buildDecodeGraph, buildLogitsGraph, cacheTensors, checkModel, modelInputs, parameterSpecs } from '#models';
import { type HostTensor, hostTensor, int32, int64, toNumbers } from '#tensor';
import { modelTolerances } from '#test/tolerances';
import { expectClose, ids, modelOf, smallCase, smallCaseNames, unpack } from './golden.ts';

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

describe.each(engines)('small models on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  it.each(smallCaseNames)('%s has the logits of transformers', async (name) => {
    const golden = smallCase(name);
    const model = modelOf(golden);
    checkModel(model);
    expect(new Set(model.parameters.keys())).toEqual(new Set(parameterSpecs(model).keys()));
    const tokens = ids(golden.tokens);
    const [batch = 0, length = 0] = tokens.shape;
    const program = await engine.compile(buildLogitsGraph(model, { batch, length }));
    const { logits } = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens });
    expectClose(logits!.read(), unpack(golden.logits), { absolute: modelTolerances.logits.absolute }, name);
    await program.release();
  });

  // Dynamic scaling is left out: with a cache, keys stay rotated for the length at which they came, here and in transformers.
  it.each(smallCaseNames.filter((name) => name !== 'llama-dynamic'))('%s has them token by token with a cache', async (name) => {
    const golden = smallCase(name);
    const model = modelOf(golden);
    const { config } = golden;
    const [batch, length] = [golden.tokens.length, golden.tokens[0]!.length];
    const program = await engine.compile(buildDecodeGraph(model, { batch, length: 1, room: length }));
    const cache = cacheTensors(model, batch, length);
    let caches: Record<string, HostTensor> = Object.fromEntries(cache.map(({ input, shape }) => [input, hostTensor('float32', shape)]));
    const wanted = unpack(golden.logits);
    const V = config.vocabularySize;
    for (let position = 0; position < length; position++) {
      const results = await program.run({
        ...Object.fromEntries(modelInputs(model)),
        ...caches,
        tokens: int64(
          [batch, 1],
          golden.tokens.map((row) => row[position]!),
        ),
        positions: int64(
          [batch, 1],
          golden.tokens.map(() => position),
        ),
        lastIndex: int32(
          [batch],
          golden.tokens.map(() => position),
        ),
        totalLength: int32([1], [position + 1]),
      });
      const logits = toNumbers(results['logits']!.read());
      for (let row = 0; row < batch; row++) {
        const offset = (row * length + position) * V;
        const expected = hostTensor('float32', [V], wanted.data.slice(offset, offset + V));
        const actual = hostTensor('float32', [V], Float32Array.from(logits.slice(row * V, (row + 1) * V)));
        expectClose(actual, expected, { absolute: modelTolerances.logits.absolute }, `${name}, sequence ${row}, position ${position}`);
      }
      caches = Object.fromEntries(cache.map(({ input, output }) => [input, results[output]!.read()]));
      for (const buffer of Object.values(results)) buffer.release();
    }
    await program.release();
  });
});
