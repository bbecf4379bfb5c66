// A teacher whose answers were recorded once: checks that the recording is of this data, and hands out the rows of a batch.
import { AppError, at } from '#base';
import { copyRows, emptyAnswers, type TeacherSource } from '#distill';
import type { TrainingExamples } from '#train';
import { type Recording, type RecordingFacts, rowStarts } from './recording.ts';

/** What a job needs a recording to be. */
export interface WantedRecording {
  readonly tokenizerHash: string;
  readonly choices: number;
  readonly temperature: number;
}

/** What can be said before the data is read. @throws AppError `tokenizer_mismatch` | `recording_mismatch` naming what differs */
export function checkRecording(facts: RecordingFacts, wanted: WantedRecording, place: string): void {
  if (facts.tokenizerHash !== wanted.tokenizerHash || facts.choices !== wanted.choices)
    throw new AppError(
      'tokenizer_mismatch',
      `${place}: the recorded teacher "${facts.teacher.reference}" has another tokenizer, or ${facts.choices} answers where the student has ${wanted.choices}. Record a teacher with the student's tokenizer.`,
      { details: { field: place } },
    );
  if (facts.temperature !== wanted.temperature)
    throw new AppError(
      'recording_mismatch',
      `${place}: was recorded at temperature ${facts.temperature}, and the training asks for ${wanted.temperature}. Set temperature to ${facts.temperature}, or record again.`,
      { details: { field: place } },
    );
}

/** @throws AppError `recording_mismatch` naming what differs, when it is not of these examples */
export function checkExamples(facts: RecordingFacts, examples: TrainingExamples, sequenceLength: number, place: string): void {
  const differs = (what: string, recorded: string | number, wanted: string | number): AppError =>
    new AppError(
      'recording_mismatch',
      `${place}: ${what} ${recorded} in the recording and ${wanted} here. Train on what was recorded, or record again.`,
      {
        details: { field: place },
      },
    );
  if (facts.examples !== examples.kind) throw differs('the examples are', facts.examples, examples.kind);
  if (facts.examples === 'windows' && facts.sequenceLength !== sequenceLength)
    throw differs('sequenceLength is', facts.sequenceLength, sequenceLength);
  if (facts.numExamples !== examples.count) throw differs(`the number of ${facts.examples} is`, facts.numExamples, examples.count);
  if (facts.examplesHash !== examples.hash()) throw differs('the data have the hash', facts.examplesHash, examples.hash());
}

/** Batches must name their examples. The caller closes the recording. */
export function recordedTeacher(recording: Recording, examples: TrainingExamples): TeacherSource {
  const { topK } = recording.facts;
  const starts = rowStarts(examples);
  return {
    form: { kind: 'top', topK },
    async answers(batch, signal) {
      const chosen = batch.examples;
      if (chosen === undefined) throw new AppError('internal', 'a recorded teacher is asked about examples without their indices.');
      // Rows behind a target's end are filled in with anything: they do not count.
      const rowsPerExample = examples.kind === 'texts' ? 1 : at(batch.labels.shape, 1);
      const answers = emptyAnswers(chosen.length * rowsPerExample, topK);
      await Promise.all(
        Array.from(chosen, async (example, place) => {
          const first = at(starts, example);
          const count = at(starts, example + 1) - first;
          copyRows(await recording.rows(first, count, signal), 0, count, answers, place * rowsPerExample);
        }),
      );
      return answers;
    },
  };
}
