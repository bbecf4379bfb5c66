// The evaluation against plain sums over logits, its invariants, and its faults.
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, type OperationContext, type Progress, quietContext } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import {
  type EvaluationRequest,
  type EvaluationResult,
  evaluateModel,
  formatEvaluation,
  formatEvaluations,
  measureLatency,
} from '#evaluate';
import { type Model, replaceParameters, uploadModel } from '#models';
import { hostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { strideWindows, type TokenCorpus } from '#text';
import { buildComparisonGraph } from '../../../src/evaluate/comparison-graph.ts';
import { gpt2Config, llamaConfig, logProbabilities, randomCorpus, tinyModel, topToken } from './tiny-models.ts';

const engine: Engine = await createOnnxEngine({ device: 'cpu' });
afterAll(() => engine.dispose());

const student = tinyModel(gpt2Config, 1);
const teacher = tinyModel(llamaConfig, 2);

const evaluate = (model: Model, request: EvaluationRequest, context: OperationContext = quietContext): Promise<EvaluationResult> =>
  evaluateModel(model, request, engine, context);

/** All figures from logits on the host, one window at a time. */
async function byHand(corpus: TokenCorpus, window: number, stride: number): Promise<Record<string, number>> {
  const sums = { loss: 0, right: 0, teacherLoss: 0, agrees: 0, divergence: 0, scored: 0 };
  for (const batch of strideWindows(corpus, { window, stride }, 0).batches(1)) {
    const tokens = Array.from(batch.tokens.data, Number);
    const [own, other] = [await logProbabilities(student, engine, tokens), await logProbabilities(teacher, engine, tokens)];
    batch.weights.data.forEach((weight, position) => {
      if (weight === 0) return;
      const label = Number(batch.labels.data[position]);
      const [p, q] = [own[position]!, other[position]!];
      sums.scored++;
      sums.loss -= p[label]!;
      sums.teacherLoss -= q[label]!;
      sums.right += topToken(p) === label ? 1 : 0;
      sums.agrees += topToken(p) === topToken(q) ? 1 : 0;
      sums.divergence += q.reduce((sum, logQ, v) => sum + Math.exp(logQ) * (logQ - p[v]!), 0);
    });
  }
  return sums;
}

describe('an evaluation', () => {
  it.each([
    [8, 8],
    [10, 3],
  ])('with window %i and stride %i gives the figures that its logits give', async (window, stride) => {
    const corpus = randomCorpus(61, [0, 20]);
    const expected = await byHand(corpus, window, stride);
    const result = await evaluate(student, { corpus, teacher, window, stride, batch: 3 });
    const scored = expected['scored']!;
    expect(result.scoredTokens).toBe(scored);
    expect(result.lossNats).toBeCloseTo(expected['loss']! / scored, 5);
    expect(result.tokenPerplexity).toBeCloseTo(Math.exp(expected['loss']! / scored), 3);
    expect(result.bitsPerByte).toBeCloseTo(expected['loss']! / Math.LN2 / corpus.bytes, 5);
    expect(result.accuracy).toBeCloseTo(expected['right']! / scored, 10);
    expect(result.teacher?.lossNats).toBeCloseTo(expected['teacherLoss']! / scored, 5);
    expect(result.teacher?.topTokenAgreement).toBeCloseTo(expected['agrees']! / scored, 10);
    expect(result.teacher?.divergenceNats).toBeCloseTo(expected['divergence']! / scored, 5);
    expect(result.teacher?.divergenceNats).toBeGreaterThan(0.1);
  });

  it('finds no distance from a model to itself', async () => {
    const { teacher: self, ...own } = await evaluate(student, { corpus: randomCorpus(50), teacher: student, window: 16 });
    expect(self?.divergenceNats).toBeLessThan(1e-6);
    expect(self?.topTokenAgreement).toBe(1);
    expect(self?.bitsPerByte).toBeCloseTo(own.bitsPerByte, 6);
  });

  it('does not depend on how windows are batched', async () => {
    const corpus = randomCorpus(70);
    const [one, many] = [
      await evaluate(student, { corpus, window: 8, batch: 1 }),
      await evaluate(student, { corpus, window: 8, batch: 7 }),
    ];
    expect(one.lossNats).toBeCloseTo(many.lossNats, 6);
    expect(one.accuracy).toBe(many.accuracy);
  });

  it('does not depend on how the vocabulary product is cut', async () => {
    const [batch] = [...strideWindows(randomCorpus(20), { window: 10, stride: 10 }, 0).batches(2)];
    const run = async (pieceElements: number): Promise<number[][]> => {
      const program = await engine.compile(buildComparisonGraph(student, teacher, { batch: 2, window: 10, pieceElements }));
      const weights = {
        ...uploadModel(engine, student),
        ...Object.fromEntries(Object.entries(uploadModel(engine, teacher)).map(([name, buffer]) => [`teacher/${name}`, buffer])),
      };
      const outputs = await program.run({ ...weights, tokens: batch!.tokens, labels: batch!.labels });
      const values = program.outputNames.map((name) => Array.from(toNumbers(outputs[name]!.read())));
      for (const buffer of [...Object.values(weights), ...Object.values(outputs)]) buffer.release();
      await program.release();
      return values;
    };
    const [whole, cut] = [await run(1 << 20), await run(3 * 19 + 5)];
    expect(whole.length).toBe(6);
    for (const [index, values] of whole.entries()) expectAllClose(cut[index]!, values, { absolute: 1e-5 });
  });

  it('counts sizes and names its protocol, engine and data', async () => {
    const result = await evaluate(student, { corpus: randomCorpus(50) });
    const elements = 19 * 16 + 32 * 16 + 2 * (4 * 16 + 16 * 48 + 48 + 16 * 16 + 16 + 16 * 24 + 24 + 24 * 16 + 16) + 2 * 16;
    expect([result.logicalParameters, result.storedParameters, result.storedBytes]).toEqual([elements, elements, 4 * elements]);
    expect(result.residentBytes).toBe(4 * elements);
    expect(result.window).toBe(32);
    expect(result.protocol).toBe('windows of 32 tokens that do not overlap; a begin token before the first');
    expect([result.engine, result.dataFingerprint, result.textBytes]).toEqual(['onnx on cpu', 'f', 200]);
    expect(result).not.toHaveProperty('teacher');
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('reports every batch and frees everything', async () => {
    const before = engine.counters();
    const reports: Progress[] = [];
    await evaluate(
      student,
      { corpus: randomCorpus(40), teacher, window: 8, batch: 2 },
      { ...quietContext, report: (each) => reports.push(each) },
    );
    expect(reports.map(({ phase, step, total }) => [phase, step, total])).toEqual([
      ['evaluate', 1, 3],
      ['evaluate', 2, 3],
      ['evaluate', 3, 3],
    ]);
    expect(reports.every(({ metrics }) => Number.isFinite(metrics?.['bitsPerByte']))).toBe(true);
    const after = engine.counters();
    expect([after.bufferBytes, after.buffers, after.programs]).toEqual([before.bufferBytes, before.buffers, before.programs]);
  });

  it('can be cancelled between batches, and then holds nothing', async () => {
    const before = engine.counters();
    const controller = new AbortController();
    const context = { report: () => controller.abort(), signal: controller.signal };
    await expect(evaluate(student, { corpus: randomCorpus(40), window: 8, batch: 1 }, context)).rejects.toThrow(/cancelled/);
    expect(engine.counters().buffers).toBe(before.buffers);
    expect(engine.counters().programs).toBe(before.programs);
  });

  it('refuses what cannot be compared or run', async () => {
    const corpus = randomCorpus(40);
    const fault = async (action: Promise<unknown>): Promise<string> =>
      action.then(
        () => 'none',
        (error: unknown) => (error instanceof AppError ? error.code : String(error)),
      );
    expect(await fault(evaluate(student, { corpus, window: 33 }))).toBe('context_too_long');
    expect(await fault(evaluate(student, { corpus, window: 8, stride: 9 }))).toBe('invalid_argument');
    expect(await fault(evaluate(student, { corpus, window: 8, batch: 0 }))).toBe('invalid_argument');
    expect(await fault(evaluate(student, { corpus, teacher: tinyModel({ ...gpt2Config, vocabularySize: 20 }, 1) }))).toBe(
      'tokenizer_mismatch',
    );
    expect(await fault(evaluate(student, { corpus: { ...corpus, tokens: Int32Array.of(1, 19) } }))).toBe('tokenizer_mismatch');
    expect(await fault(evaluate(withNaN(student), { corpus, window: 8 }))).toBe('bad_weights');
  });
});

function withNaN(model: Model): Model {
  const [path, parameter] = [...model.parameters][0]!;
  const value = parameter.tensors['value']!;
  const data = Float32Array.from(value.data as Float32Array).fill(Number.NaN);
  return replaceParameters(model, [{ ...parameter, path, tensors: { value: hostTensor('float32', value.shape, data) } }]);
}

describe('latency', () => {
  it('is the median of timed runs at each batch size, and frees everything', async () => {
    const before = engine.counters();
    // Every reading is one later, so that a run takes 1, whatever the machine does.
    let now = 0;
    const clock = { nowMs: () => 0, monotonicMs: () => now++ };
    const results = await measureLatency(teacher, engine, quietContext, { clock, promptTokens: 6, decodeSteps: 4 });
    expect(results).toEqual([
      { batch: 1, promptTokens: 6, prefillMs: 1, decodeStepMs: 1, decodeTokensPerSecond: 1000 },
      { batch: 8, promptTokens: 6, prefillMs: 1, decodeStepMs: 1, decodeTokensPerSecond: 8000 },
    ]);
    expect(engine.counters().buffers).toBe(before.buffers);
    expect(engine.counters().programs).toBe(before.programs);
  });

  it('fits its prompt to the positions of the model and appears in the result', async () => {
    const result = await evaluate(student, { corpus: randomCorpus(40), latency: true });
    expect(result.latency.map(({ batch, promptTokens }) => [batch, promptTokens])).toEqual([
      [1, 24],
      [8, 24],
    ]);
    expect(result.latency.every(({ prefillMs, decodeStepMs }) => prefillMs > 0 && decodeStepMs > 0)).toBe(true);
  });
});

describe('the table', () => {
  const result: EvaluationResult = {
    bitsPerByte: 1.51812,
    tokenPerplexity: 56.949,
    lossNats: 4.04,
    accuracy: 0.2512,
    protocol: 'windows of 256 tokens that do not overlap; a begin token before the first',
    window: 256,
    stride: 256,
    scoredTokens: 104391,
    textBytes: 401013,
    dataFingerprint: 'f',
    logicalParameters: 6967296,
    storedParameters: 6967296,
    storedBytes: 13934592,
    residentBytes: 27869184,
    latency: [{ batch: 8, promptTokens: 128, prefillMs: 12.346, decodeStepMs: 1.5, decodeTokensPerSecond: 5333 }],
    engine: 'onnx on cpu',
  };

  it('shows the figures that there are', () => {
    expect(formatEvaluation(result, 'wiki')).toBe(
      [
        '                                wiki',
        '--------------------  --------------',
        'bits per byte                 1.5181',
        'token perplexity               56.95',
        'next-token accuracy          25.12 %',
        'stored parameters          6,967,296',
        'stored bytes              13,934,592',
        'resident bytes            27,869,184',
        'prefill, batch 8      12.35 ms / 128',
        'decode step, batch 8         1.50 ms',
        'scored tokens                104,391',
        'text bytes                   401,013',
        '',
        'protocol: windows of 256 tokens that do not overlap; a begin token before the first; onnx on cpu',
      ].join('\n'),
    );
  });

  it('sets models side by side, with a dash where one has no figure', () => {
    const compared = {
      ...result,
      teacher: { ...result, topTokenAgreement: 0.9, divergenceNats: 0.0421, storedBytes: 2 * result.storedBytes },
    };
    const lines = formatEvaluations([
      { name: 'a', result },
      { name: 'b', result: compared },
    ]).split('\n');
    expect(lines.find((line) => line.startsWith('top-1'))).toMatch(/ - +90\.00 %$/);
    expect(lines.find((line) => line.startsWith('stored bytes, share'))).toMatch(/ - +50\.00 %$/);
  });
});
