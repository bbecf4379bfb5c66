// Evaluates a classifier on labelled texts.
import { AppError, at, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { buildEncoderGraph, graphNames, type Model, parameterCounts, taskOf } from '#models';
import { type LabelledText, padTexts } from '#text';
import { runInBatches } from './batched-runs.ts';

export interface ClassifierRequest {
  readonly texts: readonly LabelledText[];
  /** B; 32 when absent. */
  readonly batch?: number;
}

/** Plain JSON. */
export interface ClassificationResult {
  readonly examples: number;
  /** Share of texts whose likeliest label is right. */
  readonly accuracy: number;
  /** Of the second label where there are two, as GLUE counts it; else the mean over the labels. */
  readonly f1: number;
  /** Mean of the F1 of every label. */
  readonly macroF1: number;
  /** Matthews' correlation, with more than two labels Gorodkin's R_K; 0 where all guesses or all labels are the same. */
  readonly matthews: number;
  /** Mean negative log-likelihood of the right label. */
  readonly lossNats: number;
  readonly labels: readonly string[];
  /** Row: the right label, column: the guess. */
  readonly confusion: readonly (readonly number[])[];
  readonly storedParameters: number;
  readonly storedBytes: number;
}

const defaultBatch = 32;

/**
 * Runs a model with the task `classify` over labelled texts.
 *
 * @throws AppError `unsupported` for another task | `empty_data` | `bad_data` for a label that it does not have | `context_too_long` |
 * `bad_weights` where a logit is not finite | `cancelled`
 */
export async function evaluateClassifier(
  model: Model,
  { texts, batch = defaultBatch }: ClassifierRequest,
  engine: Engine,
  context: OperationContext,
): Promise<ClassificationResult> {
  const task = taskOf(model.config);
  if (task.kind !== 'classify')
    throw new AppError('unsupported', `evaluation: the model's task is ${task.kind}, so it has no labels to compare. Use a classifier.`);
  if (texts.length === 0) throw new AppError('empty_data', 'evaluation: there is no text. Give at least one.');
  const { labels } = task;
  const wrong = texts.findIndex(({ label }) => !(label >= 0 && label < labels.length));
  if (wrong >= 0) throw new AppError('bad_data', `text ${wrong + 1}: label ${texts[wrong]?.label} is outside 0..${labels.length - 1}.`);
  const confusion = labels.map(() => new Array<number>(labels.length).fill(0));
  let lossSum = 0;
  for await (const { label, logits } of classLogitsOf(model, texts, batch, engine, context)) {
    const guess = logits.indexOf(logits.reduce((best, value) => Math.max(best, value)));
    const row = at(confusion, label);
    row[guess] = at(row, guess) + 1;
    lossSum += negativeLogLikelihood(logits, label);
  }
  const { stored, storedBytes } = parameterCounts(model);
  return {
    examples: texts.length,
    ...classificationScores(confusion),
    lossNats: lossSum / texts.length,
    labels,
    confusion,
    storedParameters: stored,
    storedBytes,
  };
}

async function* classLogitsOf(
  model: Model,
  texts: readonly LabelledText[],
  batch: number,
  engine: Engine,
  context: OperationContext,
): AsyncGenerator<{ readonly label: number; readonly logits: Float32Array }> {
  const padToken = 'padToken' in model.config ? model.config.padToken : 0;
  const asked = {
    name: 'classify',
    graph: buildEncoderGraph(model, { batch: 'B', length: 'T' }),
    rows: texts,
    lengthOf: ({ ids }: LabelledText) => ids.length,
    batch,
    inputsOf: (rows: readonly LabelledText[]) => {
      const { tokens, mask, tokenTypes } = padTexts(rows, Math.max(1, at(rows, 0).ids.length), padToken);
      return { [graphNames.tokens]: tokens, [graphNames.mask]: mask, [graphNames.tokenTypes]: tokenTypes };
    },
  };
  for await (const ran of runInBatches(engine, model, asked, context)) {
    const logits = ran.numbers(graphNames.logits);
    const width = logits.length / ran.rows.length;
    for (const [row, { label }] of ran.rows.entries()) yield { label, logits: logits.subarray(row * width, (row + 1) * width) };
  }
}

function negativeLogLikelihood(logits: Float32Array, label: number): number {
  const largest = logits.reduce((best, value) => Math.max(best, value));
  const sum = logits.reduce((total, value) => total + Math.exp(value - largest), 0);
  return largest + Math.log(sum) - at(logits, label);
}

/**
 * Accuracy, F1 and Matthews' correlation of a table of counts: row the right label, column the guess.
 *
 * @see Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004
 */
export function classificationScores(
  confusion: readonly (readonly number[])[],
): Pick<ClassificationResult, 'accuracy' | 'f1' | 'macroF1' | 'matthews'> {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const actual = confusion.map(sum);
  const guessed = confusion.map((_, column) => sum(confusion.map((row) => at(row, column))));
  const right = confusion.map((row, index) => at(row, index));
  const [total, correct] = [sum(actual), sum(right)];
  const f1s = right.map((count, index) => {
    const both = at(actual, index) + at(guessed, index);
    return both === 0 ? 0 : (2 * count) / both;
  });
  const macroF1 = sum(f1s) / f1s.length;
  const dot = (left: readonly number[], other: readonly number[]): number => sum(left.map((value, index) => value * at(other, index)));
  const spread = (total * total - dot(guessed, guessed)) * (total * total - dot(actual, actual));
  return {
    accuracy: correct / total,
    f1: f1s.length === 2 ? at(f1s, 1) : macroF1,
    macroF1,
    matthews: spread === 0 ? 0 : (correct * total - dot(guessed, actual)) / Math.sqrt(spread),
  };
}
