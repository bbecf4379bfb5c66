// Recordings of teachers, targets that teachers write, and the memory of a distillation: what survives a stop, and what is refused.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import { TeacherProgram, type TopAnswers } from '#distill';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel } from '#models';
import { expectAllClose } from '#test/allclose';
import { temporaryFolder } from '#test/temporary';
import { tinySequences } from '#test/tiny-pairs';
import { trainingExamples } from '#train';
import { type AskTeacher, estimateRecording, recordTeacher } from '../../../../src/jobs/teachers/record-teacher.ts';
import { bytesPerRow, Recording, type RecordingFacts, rowStarts } from '../../../../src/jobs/teachers/recording.ts';
import { teacherTargets } from '../../../../src/jobs/teachers/sequence-targets.ts';
import { continuationSettings, teacherContinuations } from '../../../../src/jobs/teachers/teacher-continuations.ts';
import { type ModelSize, planTraining } from '../../../../src/jobs/training-memory.ts';
import { gpt2, tinyCorpus, tinyModel, watch } from '../../train/tiny-training.ts';

const teacher = tinyModel(gpt2, 2);
const examples = trainingExamples(teacher, tinyCorpus(), { sequenceLength: 8 });
const topK = 5;
const facts: RecordingFacts = {
  examples: 'windows',
  numExamples: examples.count,
  numRows: rowStarts(examples).at(-1)!,
  topK,
  temperature: 1,
  choices: gpt2.vocabularySize,
  sequenceLength: 8,
  sourceLength: 8,
  teacher: { reference: 't@1', hash: 'h' },
  tokenizerHash: 'tiny',
  dataFingerprint: 'tiny',
  examplesHash: examples.hash(),
};

let engine: Engine;
let weights: Record<string, DeviceBuffer>;
let program: TeacherProgram;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
  weights = borrowModel(engine, teacher);
  program = new TeacherProgram(engine, teacher, weights);
});
afterAll(async () => {
  await program.release();
  for (const buffer of Object.values(weights)) buffer.release();
  await engine.dispose();
});

const ask: AskTeacher = (batch, signal) => program.answers(batch, { kind: 'top', topK }, 1, signal);
const request = (folder: string, asked = ask) => ({ folder, facts, examples, batchSize: 4, ask: asked });
const filesOf = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .map((name) => `${name} ${readFileSync(join(folder, name)).toString('base64')}`);

describe('a recording', () => {
  it('holds the teacher’s answers for every example, normalized, in 2 bytes an id and 2 a probability', async () => {
    const folder = join(temporaryFolder(), 'recording');
    await recordTeacher(request(folder), quietContext);
    const recording = await Recording.open(folder);
    await recording.verify(quietContext.signal);
    expect(recording.facts).toEqual(facts);
    const chosen = Int32Array.of(7, 3);
    const wanted = (await program.answers(examples.batch(chosen), { kind: 'top', topK }, 1, quietContext.signal)) as TopAnswers;
    for (const [place, example] of chosen.entries()) {
      const found = await recording.rows(8 * example, 8, quietContext.signal);
      expect(found.ids).toEqual(wanted.ids.slice(place * 8 * topK, (place + 1) * 8 * topK));
      expectAllClose(found.logProbabilities, wanted.logProbabilities.slice(place * 8 * topK, (place + 1) * 8 * topK), { absolute: 5e-3 });
      for (let row = 0; row < 8; row++) {
        const named = found.logProbabilities.slice(row * topK, (row + 1) * topK);
        const mass = named.reduce((sum, value) => sum + Math.exp(value), Math.exp(found.logTails[row]!));
        expect(mass).toBeCloseTo(1, 6);
      }
    }
    await recording.close();
    expect(estimateRecording(facts)).toBe(facts.numRows * (topK * 4 + 4));
    expect(bytesPerRow(32, 50_257)).toBe(132);
    expect(bytesPerRow(32, 250_000)).toBe(164);
  });

  it('goes on where it was stopped and ends with the same files; until then it is not whole', async () => {
    const [straight, stopped] = [join(temporaryFolder(), 'a'), join(temporaryFolder(), 'b')];
    await recordTeacher(request(straight), quietContext);
    await expect(recordTeacher(request(stopped), watch(40))).rejects.toThrow(/cancelled/);
    await expect(Recording.open(stopped)).rejects.toThrow(/file_not_found|bad_recording/);
    await recordTeacher(request(stopped), quietContext);
    expect(filesOf(stopped)).toEqual(filesOf(straight));
  });

  it('is refused before it starts where the disk is too small', async () => {
    const huge = { ...facts, numRows: 2 ** 50 };
    const asked: AskTeacher = async () => {
      throw new Error('nothing is computed');
    };
    await expect(recordTeacher({ ...request(join(temporaryFolder(), 'c'), asked), facts: huge }, quietContext)).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/MiB are needed .* are free\. Record fewer answers/),
    });
  });

  it('passes on what the teacher throws, and keeps nothing half-written', async () => {
    const folder = join(temporaryFolder(), 'd');
    const failing: AskTeacher = async () => {
      throw new AppError('out_of_memory', 'too much.');
    };
    await expect(recordTeacher(request(folder, failing), quietContext)).rejects.toThrow(/out_of_memory/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('targets that a teacher writes', () => {
  const writer = tinyModel(tinySequences, 3);
  const sources = Array.from({ length: 50 }, (_, index) => Int32Array.of(3 + (index % 25), 5 + (index % 20), 2));
  const corpus = {
    pairs: [...sources, sources[0]!].map((source) => ({ source, target: Int32Array.of(9, 2) })),
    numTooLong: 0,
    fingerprint: 'pairs',
    tokenizerHash: 'tiny',
  };
  const settings = { beams: 2, maxTokens: 6 };
  const place = (folder: string, fingerprint = 'same') => ({ folder, fingerprint, engine });

  it('are one for each source, the same when the writing was stopped, and no longer than asked for', async () => {
    const [straight, stopped] = [temporaryFolder(), temporaryFolder()];
    const wanted = await teacherTargets(corpus, writer, settings, place(straight), quietContext);
    expect(wanted.pairs).toHaveLength(50);
    for (const { target } of wanted.pairs) {
      expect(target.length).toBeGreaterThan(0);
      expect(target.length).toBeLessThanOrEqual(6);
    }
    await expect(teacherTargets(corpus, writer, settings, place(stopped), watch(32))).rejects.toThrow(/cancelled/);
    // Cut off in the middle of a line, as a killed process leaves it.
    const path = join(stopped, 'targets.jsonl');
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -3));
    const resumed = await teacherTargets(corpus, writer, settings, place(stopped), quietContext);
    expect(resumed.pairs).toEqual(wanted.pairs);
    await expect(teacherTargets(corpus, writer, settings, place(stopped, 'other'), quietContext)).rejects.toThrow(/resume_mismatch/);
  });
});

describe('beginnings of running text that a teacher goes on with', () => {
  const writer = tinyModel({ ...gpt2, endTokens: [0, 7, 14, 21] }, 3);
  const corpus = tinyCorpus(600);
  const sizes = { sequenceLength: 12, seed: 3, examples: 1000 };
  const place = (folder: string, fingerprint = 'same') => ({ folder, fingerprint, engine });

  it.each([
    ['searched', { beams: 2 }],
    ['drawn', { temperature: 1 }],
  ])('are one for each window, the same when the writing was stopped: %s', async (_, given) => {
    const settings = continuationSettings({ promptTokens: 4, ...given }, sizes);
    expect(settings).toMatchObject({ maxNewTokens: 8, prompts: 1000 });
    const [straight, stopped] = [temporaryFolder(), temporaryFolder()];
    const wanted = await teacherContinuations(corpus, writer, settings, place(straight), quietContext);
    expect(wanted).toHaveLength(50);
    for (const [index, { prompt, written }] of wanted.entries()) {
      expect(prompt).toEqual(corpus.tokens.slice(12 * index, 12 * index + 4));
      expect(written.length).toBeLessThanOrEqual(8);
    }
    await expect(teacherContinuations(corpus, writer, settings, place(stopped), watch(32))).rejects.toThrow(/cancelled/);
    // Cut off in the middle of the second part, as a killed process leaves it.
    const path = join(stopped, 'targets.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, `${lines.slice(0, 21).join('\n')}\n[3,`);
    const { reports, ...context } = watch();
    expect(await teacherContinuations(corpus, writer, settings, place(stopped), context)).toEqual(wanted);
    expect(reports.map(({ step }) => step)).toEqual([32, 48, 50]);
    expect(readFileSync(path)).toEqual(readFileSync(join(straight, 'targets.jsonl')));
    const again = watch();
    expect(await teacherContinuations(corpus, writer, settings, place(stopped), again)).toEqual(wanted);
    expect(again.reports).toEqual([]);
    await expect(teacherContinuations(corpus, writer, settings, place(stopped, 'other'), quietContext)).rejects.toThrow(/resume_mismatch/);
  });

  it('are spread over the text where fewer are wanted, as many as the training reads', async () => {
    const settings = continuationSettings({ promptTokens: 2, maxNewTokens: 1 }, { ...sizes, examples: 5 });
    const found = await teacherContinuations(corpus, writer, settings, place(temporaryFolder()), quietContext);
    expect(found.map(({ prompt }) => prompt)).toEqual(
      [0, 10, 20, 30, 40].map((window) => corpus.tokens.slice(12 * window, 12 * window + 2)),
    );
    const short = { ...corpus, tokens: corpus.tokens.slice(0, 11) };
    await expect(teacherContinuations(short, writer, settings, place(temporaryFolder()), quietContext)).rejects.toMatchObject({
      code: 'empty_data',
    });
  });

  it.each([
    ['promptTokens', { promptTokens: 12 }],
    ['maxNewTokens', { promptTokens: 4, maxNewTokens: 9 }],
    ['temperature', { temperature: 1, beams: 2 }],
  ])('name %s where it does not fit', (field, given) => {
    expect(() => continuationSettings(given, sizes)).toThrow(
      expect.objectContaining({ code: 'invalid_argument', details: { field: `sequenceLevel.${field}` } }),
    );
  });
});

describe('the memory of a distillation', () => {
  const MiB = 2 ** 20;
  const sized = (reference: string, megabytes: number): ModelSize => ({
    reference,
    config: gpt2,
    hostBytes: megabytes * MiB,
    deviceBytes: megabytes * MiB,
  });
  const base = { student: sized('s@1', 10), teacher: sized('t@1', 400), batchSize: 8, sequenceLength: 8, residentBytes: 100 * MiB };

  it('counts the teacher beside the student', () => {
    const peak = (teacherMegabytes: number): number =>
      planTraining({ ...base, teacher: sized('t@1', teacherMegabytes), limitBytes: 2 ** 40 }).estimatedPeakBytes;
    expect(peak(400) - peak(100)).toBe(600 * MiB);
  });

  it('counts all teachers, the attention that losses compare, and what the student draws itself', () => {
    const peak = (added: object): number => planTraining({ ...base, ...added, limitBytes: 2 ** 40 }).estimatedPeakBytes;
    const alone = peak({});
    expect(peak({ further: [sized('u@1', 50)] }) - alone).toBeGreaterThanOrEqual(100 * MiB);
    // Scores and probabilities of all layers, heads, sequences and pairs of tokens.
    expect(peak({ comparesAttention: true }) - alone).toBe(4 * 2 * gpt2.layers * 8 * gpt2.heads * 8 ** 2);
    expect(peak({ sampleTokens: 8, teacherDraws: true }) - peak({ sampleTokens: 8 })).toBe(4 * 2 * gpt2.layers * 8 * 8 * gpt2.width);
    expect(peak({ sampleTokens: 8 }) - alone).toBeGreaterThan(10 * MiB);
    expect(peak({ writtenRows: 4 }) - alone).toBe(2 * 4 * 2 * gpt2.layers * 4 * 8 * gpt2.width);
    // Samples may be longer than the texts of the data.
    expect(peak({ sampleTokens: 16, comparesAttention: true }) - peak({ sampleTokens: 16 })).toBe(
      4 * 2 * gpt2.layers * 8 * gpt2.heads * 16 ** 2,
    );
  });

  it('is refused with the figures and with what would fit', () => {
    const refused = (limit: number): unknown => {
      try {
        return planTraining({ ...base, limitBytes: limit * MiB });
      } catch (error) {
        return error;
      }
    };
    const error = refused(600) as AppError;
    expect(error).toMatchObject({ code: 'insufficient_memory', details: { limitBytes: 600 * MiB, teacherBytes: 400 * MiB } });
    expect(error.message).toMatch(/distill: about .* are needed at the peak, 100 MiB of them held already, and 600 MiB is the limit/);
    expect(error.message).toMatch(/It takes the teacher "t@1" 800 MiB, the student "s@1" with gradients and moments 80 MiB\./);
    expect(error.message).toMatch(
      /What would fit: a teacher quantized to 8 bits \(about \d+ MiB\); a recorded teacher .* on another server/,
    );
    expect((refused(300) as AppError).message).not.toMatch(/quantized/);
    expect((refused(150) as AppError).message).toMatch(/Unload other models, or give the server at least/);
  });
});
