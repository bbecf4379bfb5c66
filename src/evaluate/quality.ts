// Sums losses and comparisons over all windows of a text.
import { AppError, at, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { borrowModel, type Model, parameterCounts } from '#models';
import { toNumbers } from '#tensor';
import type { EvaluationBatch, StrideWindows } from '#text';
import { buildComparisonGraph, comparisonNames, teacherPrefix } from './comparison-graph.ts';
import type { TeacherComparison, TextQuality } from './result.ts';

export interface QualityRequest {
  readonly windows: StrideWindows;
  /** UTF-8 bytes that the scored tokens stand for. */
  readonly textBytes: number;
  /** B */
  readonly batch: number;
  readonly teacher?: Model;
}

export interface QualityResult {
  readonly student: TextQuality;
  readonly teacher?: TeacherComparison;
  /** Bytes of the student's weights on the device. */
  readonly residentBytes: number;
}

/**
 * Runs student and teacher over the windows, both in one graph on the device; only a few numbers a token come back.
 *
 * Sums are kept in float64. Progress: phase `evaluate`, a step a batch, metric `bitsPerByte` so far.
 * @throws AppError `bad_weights` when a loss is not finite, `cancelled`, `context_too_long`, `tokenizer_mismatch`
 */
export async function measureQuality(
  model: Model,
  request: QualityRequest,
  engine: Engine,
  context: OperationContext,
): Promise<QualityResult> {
  const { windows, batch, teacher } = request;
  const graph = buildComparisonGraph(model, teacher, { batch, window: windows.window });
  let weights: Record<string, DeviceBuffer> = {};
  let program: Program | undefined;
  try {
    const before = engine.counters().bufferBytes;
    weights = borrowModel(engine, model);
    const residentBytes = engine.counters().bufferBytes - before;
    if (teacher !== undefined) weights = { ...weights, ...borrowModel(engine, teacher, teacherPrefix) };
    program = await engine.compile(graph, { name: 'evaluate' });
    const sums = await sumOverWindows(program, weights, request, context);
    return { residentBytes, ...toResult(sums, request) };
  } finally {
    await program?.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
}

/** Weighted sums by output name. */
type Sums = Map<string, number>;

async function sumOverWindows(
  program: Program,
  weights: Readonly<Record<string, DeviceBuffer>>,
  { windows, batch, textBytes }: QualityRequest,
  context: OperationContext,
): Promise<Sums> {
  const sums: Sums = new Map();
  const total = Math.ceil(windows.windows / batch);
  let step = 0;
  let scored = 0;
  for (const each of windows.batches(batch)) {
    throwIfCancelled(context.signal);
    const outputs = await program.run(
      { ...weights, [comparisonNames.tokens]: each.tokens, [comparisonNames.labels]: each.labels },
      { signal: context.signal },
    );
    scored += addOutputs(sums, outputs, each);
    step++;
    const loss = sums.get(comparisonNames.loss) ?? 0;
    if (!Number.isFinite(loss))
      throw new AppError(
        'bad_weights',
        `evaluation: the loss is not finite in batch ${step} of ${total}. The model holds NaN or overflows; use another checkpoint.`,
      );
    // The text of the windows so far is taken to be as dense as the whole.
    const bytesSoFar = (textBytes * scored) / windows.scoredTokens;
    context.report({
      phase: 'evaluate',
      step,
      total,
      metrics: { bitsPerByte: bitsPerByte(loss, bytesSoFar), lossNats: loss / Math.max(1, scored) },
    });
    await yieldToEventLoop();
  }
  return sums;
}

/** Adds the scored positions of every output and frees it; returns their number. */
function addOutputs(sums: Sums, outputs: Readonly<Record<string, DeviceBuffer>>, { weights }: EvaluationBatch): number {
  for (const [name, buffer] of Object.entries(outputs)) {
    const values = toNumbers(buffer.read());
    buffer.release();
    let sum = sums.get(name) ?? 0;
    // A skipped position may hold anything, also NaN.
    for (let index = 0; index < values.length; index++) if (weights.data[index] !== 0) sum += at(values, index);
    sums.set(name, sum);
  }
  return weights.data.reduce((count, weight) => count + weight, 0);
}

function toResult(sums: Sums, { windows, textBytes, teacher }: QualityRequest): Omit<QualityResult, 'residentBytes'> {
  const quality = (loss: string, isRight: string): TextQuality => {
    const lossSum = sums.get(loss) ?? 0;
    const lossNats = lossSum / windows.scoredTokens;
    return {
      bitsPerByte: bitsPerByte(lossSum, textBytes),
      tokenPerplexity: Math.exp(lossNats),
      lossNats,
      accuracy: (sums.get(isRight) ?? 0) / windows.scoredTokens,
    };
  };
  const student = quality(comparisonNames.loss, comparisonNames.isRight);
  if (teacher === undefined) return { student };
  return {
    student,
    teacher: {
      ...quality(comparisonNames.teacherLoss, comparisonNames.teacherIsRight),
      topTokenAgreement: (sums.get(comparisonNames.agrees) ?? 0) / windows.scoredTokens,
      // Rounding can leave a model's distance to itself a little below 0.
      divergenceNats: Math.max(0, (sums.get(comparisonNames.divergence) ?? 0) / windows.scoredTokens),
      storedBytes: parameterCounts(teacher).storedBytes,
    },
  };
}

function bitsPerByte(lossSumNats: number, bytes: number): number {
  return bytes === 0 ? 0 : lossSumNats / Math.LN2 / bytes;
}
