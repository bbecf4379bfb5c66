// Trained models, imported from their folders, against transformers: logits, and greedy continuations with the cache in place.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { buildDecodeGraph, buildLogitsGraph, cacheTensors, type Model, uploadModel } from '#models';
import { importHuggingFace } from '#store';
import { type HostTensor, hostTensor, int32, int64, toNumbers } from '#tensor';
import { repositoryRoot } from '#test/shared';
import { modelTolerances } from '#test/tolerances';
import { expectClose, realCase, unpack } from './golden.ts';

const room = 64;

/** The first of the largest logits in each row of [rows, V]. */
function topIds(logits: HostTensor, vocabularySize: number): number[] {
  const numbers = toNumbers(logits);
  return Array.from({ length: numbers.length / vocabularySize }, (_, row) => {
    const line = Array.from(numbers.subarray(row * vocabularySize, (row + 1) * vocabularySize));
    return line.indexOf(Math.max(...line));
  });
}

/** Columns `picked` of a matrix. */
function columns(matrix: HostTensor, picked: readonly number[]): HostTensor {
  const [rows = 0, width = 0] = matrix.shape;
  const numbers = toNumbers(matrix);
  const data = Float32Array.from({ length: rows * picked.length }, (_, index) => {
    const row = Math.floor(index / picked.length);
    return numbers[row * width + picked[index % picked.length]!]!;
  });
  return hostTensor('float32', [rows, picked.length], data);
}

describe.each(['wiki-gpt2-7m', 'stories260K'] as const)('%s', (name) => {
  const golden = realCase(name);
  let engine: Engine;
  let model: Model;
  let weights: Record<string, DeviceBuffer>;

  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu' });
    model = (await importHuggingFace(join(repositoryRoot, 'test/fixtures/models', name))).model;
    weights = uploadModel(engine, model);
  });
  afterAll(() => engine.dispose());

  it('has the logits of transformers', async () => {
    const program = await engine.compile(buildLogitsGraph(model, { batch: 1, length: 'T' }));
    const V = model.config.vocabularySize;
    for (const { prompt, tokens, ids, logits: wanted, lastLogits, topIds: wantedTop } of golden.prompts) {
      const length = tokens.length;
      const { logits: buffer } = await program.run({ ...weights, tokens: int64([1, length], tokens) });
      const logits = hostTensor('float32', [length, V], Float32Array.from(toNumbers(buffer!.read())));
      buffer!.release();
      const tolerance = { absolute: modelTolerances.logits.absolute };
      expectClose(ids === undefined ? logits : columns(logits, ids), unpack(wanted), tolerance, prompt);
      if (lastLogits !== undefined) {
        const last = hostTensor('float32', [V], logits.data.slice((length - 1) * V));
        expectClose(last, unpack(lastLogits), tolerance, `${prompt}, last position`);
      }
      expect(topIds(logits, V)).toEqual(wantedTop);
    }
    await program.release();
  });

  it('continues greedily as transformers does, with its cache kept in place', async () => {
    const sizes = { batch: 1, room } as const;
    const prefill = await engine.compile(buildDecodeGraph(model, { ...sizes, length: 'T' }));
    const step = await engine.compile(buildDecodeGraph(model, { ...sizes, length: 1 }));
    const cache = cacheTensors(model, 1, room).map(({ input, output, shape }) => ({
      input,
      output,
      buffer: engine.allocate({ dtype: 'float32', shape }),
    }));
    const past = Object.fromEntries(cache.map(({ input, buffer }) => [input, buffer]));
    const outputs = Object.fromEntries(cache.map(({ output, buffer }) => [output, buffer]));
    for (const { tokens, greedy } of golden.prompts) {
      const made: number[] = [];
      let next = tokens;
      let done = 0;
      while (made.length < greedy.length) {
        const program = done === 0 ? prefill : step;
        const positions = next.map((_, index) => done + index);
        done += next.length;
        const { logits } = await program.run(
          {
            ...weights,
            ...past,
            tokens: int64([1, next.length], next),
            positions: int64([1, next.length], positions),
            lastIndex: int32([1], [done - 1]),
            totalLength: int32([1], [done]),
          },
          { outputs },
        );
        next = topIds(logits!.read(), model.config.vocabularySize);
        logits!.release();
        made.push(...next);
      }
      expect(made).toEqual(greedy);
    }
    await prefill.release();
    await step.release();
  });
});
