// Sequence-level distillation of models that continue text: what the teacher writes, what counts of it, and runs that go on.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { type Continuation, distillFromContinuations, TeacherWriter, type WriterSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel, buildLogitsGraph, type Model, modelInputs } from '#models';
import { startSearch } from '#serve';
import { int64, toNumbers } from '#tensor';
import { continuationBatch } from '../../../../src/distill/written-tokens.ts';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyModel, tinySettings, watch } from '../../train/tiny-training.ts';

const student = tinyModel(gpt2, 1);
/** With heads that share keys and values, and rotated positions. */
const teacher = tinyModel({ ...llama, endTokens: [0, 5] }, 2);
const prompts = [Int32Array.of(1, 5, 9), Int32Array.of(20, 3, 3), Int32Array.of(7, 11, 2), Int32Array.of(28, 27, 26)];

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

async function written(
  settings: Omit<WriterSettings, 'promptTokens'>,
  given: readonly Int32Array[] = prompts,
  seeds: readonly number[] = [1, 2, 3, 4],
  model = teacher,
): Promise<number[][]> {
  const weights = borrowModel(engine, model);
  const writer = new TeacherWriter(engine, model, { promptTokens: 3, ...settings }, 4);
  try {
    const random = seeds.map((seed) => new Random(seed));
    return (await writer.write(weights, given, random, quietContext.signal)).map((ids) => Array.from(ids));
  } finally {
    await writer.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
}

/** [V] after the last of some tokens, by the whole model. */
async function logitsAfter(model: Model, tokens: readonly number[]): Promise<Float32Array> {
  const length = tokens.length;
  const program = await engine.compile(buildLogitsGraph(model, { batch: 1, length }));
  const results = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens: int64([1, length], tokens) });
  const { vocabularySize: V } = model.config;
  const values = Float32Array.from(toNumbers(results['logits']!.read())).slice((length - 1) * V);
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return values;
}

describe('what a teacher writes', () => {
  it.each([
    [1, 6],
    [3, 6],
    [4, 1],
  ])('is what a search with %i beams over the whole model finds in %i tokens', async (beams, maxNewTokens) => {
    const found = await written({ beams, maxNewTokens });
    for (const [index, prompt] of prompts.entries()) {
      const search = startSearch({
        beams,
        maxTokens: maxNewTokens,
        minTokens: 0,
        lengthPenalty: 1,
        earlyStopping: false,
        noRepeatNgram: 0,
        startToken: 0,
        endTokens: teacher.config.endTokens,
        suppressed: [],
      });
      while (search.running.length > 0) {
        const rows: Float32Array[] = [];
        for (const { tokens } of search.running) rows.push(await logitsAfter(teacher, [...prompt, ...tokens.slice(1)]));
        search.extend(rows);
      }
      expect(found[index]).toEqual(search.found[0]!.tokens);
    }
  });

  it('ends with an end token or where there is no room, and is the same for a prompt wherever it stands', async () => {
    const ending = tinyModel({ ...llama, endTokens: [0, 5, 9, 13, 17, 21, 25] }, 2);
    const drawing = { beams: 1, maxNewTokens: 8, temperature: 1 };
    const all = await written(drawing, prompts, [1, 2, 3, 4], ending);
    for (const ids of all) {
      const ends = ids.map((id) => ending.config.endTokens.includes(id));
      expect(ends.slice(0, -1).some(Boolean)).toBe(false);
      expect(ids.length === 8 || ends.at(-1)).toBe(true);
    }
    expect(Math.min(...all.map(({ length }) => length))).toBeLessThan(8);
    expect(await written(drawing, prompts.slice(2), [3, 4], ending)).toEqual(all.slice(2));
    expect(await written(drawing, prompts, [5, 6, 7, 8], ending)).not.toEqual(all);
  });

  it('needs positions for all of it', () => {
    expect(() => new TeacherWriter(engine, teacher, { promptTokens: 9, maxNewTokens: 8, beams: 1 }, 4)).not.toThrow();
    return expect(written({ beams: 1, maxNewTokens: 14 })).rejects.toMatchObject({ code: 'context_too_long' });
  });
});

describe('a batch of continuations', () => {
  it('counts what was written, and nothing of the beginning or behind the end', () => {
    const { tokens, labels, writtenTokens } = continuationBatch(
      [
        { prompt: [1, 2], written: [20, 21, 22] },
        { prompt: [6, 7], written: [0] },
      ],
      4,
    );
    const numbers = (tensor: Parameters<typeof toNumbers>[0]): number[] => Array.from(toNumbers(tensor), Number);
    expect(numbers(tokens)).toEqual([1, 2, 20, 21, 6, 7, 0, 0]);
    expect(numbers(labels)).toEqual([2, 20, 21, 22, 7, 0, 0, 0]);
    expect(numbers(writtenTokens)).toEqual([0, 1, 1, 1, 0, 1, 0, 0]);
  });
});

describe('distillFromContinuations', () => {
  const settings = tinySettings({ steps: 60, batchSize: 2, learningRate: 0.03 });

  it('teaches the student to write what its teacher wrote', async () => {
    const written8 = await written({ beams: 2, maxNewTokens: 8 });
    const continuations = prompts.map((prompt, index): Continuation => ({ prompt, written: written8[index]! }));
    const { reports, ...context } = watch();
    const { model } = await distillFromContinuations({ model: student, settings, continuations }, engine, context);
    expect(reports.at(-1)!.metrics!['loss']).toBeLessThan(0.1);
    expect(await written({ beams: 1, maxNewTokens: 8 }, prompts, [], { ...model, config: { ...model.config, endTokens: [0, 5] } })).toEqual(
      written8,
    );
    // Beginnings are read, not learnt.
    expect(reports[0]!.metrics!['loss']).toBeGreaterThan(2);
  });

  it('ends with the same weights when it goes on from a checkpoint', async () => {
    const continuations = prompts.map((prompt, index): Continuation => ({ prompt, written: [index, 4, 9].slice(0, 1 + (index % 3)) }));
    const request = { model: student, settings: { ...settings, steps: 9, gradientAccumulation: 2 }, continuations };
    const straight = await distillFromContinuations(request, engine, quietContext);
    const checkpoints = new MemoryKeeper();
    await expect(distillFromContinuations({ ...request, checkpoints }, engine, watch(4))).rejects.toThrow(/cancelled/);
    const resumed = await distillFromContinuations({ ...request, checkpoints }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });
});
