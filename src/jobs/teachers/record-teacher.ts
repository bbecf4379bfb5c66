// Runs a teacher over every example of a data set once and records its likeliest answers.
import { statfs } from 'node:fs/promises';
import { AppError, at, type OperationContext, throwIfCancelled } from '#base';
import { joinAnswers, type TeacherAnswers, type TopAnswers } from '#distill';
import type { TrainingBatch, TrainingExamples } from '#train';
import { bytesPerRow, type RecordingFacts, RecordingWriter, rowStarts } from './recording.ts';

/** Asks the teacher about a batch, at the recording's k and temperature. */
export type AskTeacher = (batch: TrainingBatch, signal: AbortSignal) => Promise<TeacherAnswers>;

export interface RecordRequest {
  readonly folder: string;
  readonly facts: RecordingFacts;
  readonly examples: TrainingExamples;
  /** Examples side by side in one run. */
  readonly batchSize: number;
  readonly ask: AskTeacher;
}

/** Bytes of the shards, before anything is computed. */
export function estimateRecording({ topK, choices, numRows }: Pick<RecordingFacts, 'topK' | 'choices' | 'numRows'>): number {
  return bytesPerRow(topK, choices) * numRows;
}

/**
 * Goes on behind what an earlier attempt recorded, and ends with the same files.
 *
 * @returns rows that this attempt recorded
 * @throws AppError `disk_full` before it starts when the estimate does not fit | `cancelled`, and those of the teacher
 */
export async function recordTeacher(
  { folder, facts, examples, batchSize, ask }: RecordRequest,
  context: OperationContext,
): Promise<number> {
  const writer = await RecordingWriter.open(folder, facts);
  const starts = rowStarts(examples);
  const done = writer.rowsWritten;
  const estimatedBytes = estimateRecording(facts);
  const leftBytes = bytesPerRow(facts.topK, facts.choices) * (facts.numRows - done);
  const freeBytes = await freeSpace(folder);
  context.report({ phase: 'plan', item: 'recording', metrics: { estimatedBytes, freeBytes, rows: facts.numRows } });
  if (leftBytes > freeBytes)
    throw new AppError(
      'disk_full',
      `recording "${folder}": about ${mebibytes(leftBytes)} are needed for ${facts.numRows - done} rows with ${facts.topK} answers each, and ${mebibytes(freeBytes)} are free. Record fewer answers (topK), less data, or to another disk.`,
      { details: { neededBytes: leftBytes, freeBytes } },
    );
  let example = starts.findIndex((start) => start >= done);
  while (example < examples.count) {
    throwIfCancelled(context.signal);
    const chosen = Int32Array.from({ length: Math.min(batchSize, examples.count - example) }, (_, index) => example + index);
    // The last batch is filled up, so that it needs no program of its own.
    const full = Int32Array.from({ length: batchSize }, (_, index) => at(chosen, Math.min(index, chosen.length - 1)));
    const answers = await ask(examples.batch(full), context.signal);
    const rowsEach = rowsOfBatch(answers, batchSize);
    await writer.add(
      keptRows(
        answers,
        Array.from(chosen, (one) => examples.rows(one)),
        rowsEach,
      ),
    );
    example += chosen.length;
    context.report({ phase: 'record', step: example, total: examples.count, metrics: { rows: at(starts, example) } });
  }
  await writer.finish();
  return facts.numRows - done;
}

function rowsOfBatch(answers: TeacherAnswers, batchSize: number): number {
  if (answers.kind === 'full') throw new AppError('internal', 'a recording holds the likeliest answers, not all.');
  return answers.logTails.length / batchSize;
}

/** The first rows of each example, of the `rowsEach` that it takes in the batch. */
function keptRows(answers: TeacherAnswers, counts: readonly number[], rowsEach: number): TopAnswers {
  const { topK, ids, logProbabilities, logTails } = answers as TopAnswers;
  const parts = counts.map((count, place): TopAnswers => {
    const [first, end] = [place * rowsEach, place * rowsEach + count];
    return {
      kind: 'top',
      topK,
      ids: ids.subarray(first * topK, end * topK),
      logProbabilities: logProbabilities.subarray(first * topK, end * topK),
      logTails: logTails.subarray(first, end),
    };
  });
  return joinAnswers(parts) as TopAnswers;
}

async function freeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
