// The loss of a student whose teacher's answers come with each batch: from another server, or from a recording.
import { at, invariant } from '#base';
import type { GraphBuilder, Value } from '#graph';
import { inPieces } from '#models';
import { type HostTensor, hostTensor } from '#tensor';
import { askedRows, meanOfRows, type Objective } from '#train';
import { type Divergence, divergenceRows, forwardKl } from '../losses/divergence.ts';
import type { AnswerForm, TeacherAnswers } from './answers.ts';
import { outcomesOf } from './outcomes.ts';

export interface AnswerLoss {
  /** T: of the student's distribution; the answers must have been taken at it. */
  readonly temperature: number;
  /** Weight of the teacher term; 1 - α is the weight of cross-entropy with the data. */
  readonly alpha: number;
  /** @default forward */
  readonly divergence?: Divergence;
}

/** Inputs of the graph that a batch brings, by what they hold. */
const answerNames = {
  ids: 'teacherIds',
  logProbabilities: 'teacherLogProbabilities',
  logTails: 'teacherLogTails',
} as const;

/** The inputs of `answerObjective` for the rows of a batch. */
export function answerInputs(answers: TeacherAnswers): Readonly<Record<string, HostTensor>> {
  const { ids, logProbabilities, logTails } = answerNames;
  if (answers.kind === 'full') {
    const { choices } = answers;
    const shape = [answers.logProbabilities.length / choices, choices];
    return { [logProbabilities]: hostTensor('float16', shape, answers.logProbabilities) };
  }
  const shape = [answers.logTails.length, answers.topK];
  return {
    [ids]: hostTensor('int64', shape, BigInt64Array.from(answers.ids, BigInt)),
    [logProbabilities]: hostTensor('float32', shape, answers.logProbabilities),
    [logTails]: hostTensor('float32', [answers.logTails.length], answers.logTails),
  };
}

/**
 * (1-α)·CE(labels) + α·T²·D(teacher, student) as `logitObjective` has it, over the answers that were handed over: D is taken over the k likeliest
 * answers of the teacher and one outcome "any other", whose probability on both sides is what the k leave. With k = V, and with all answers, that
 * is the divergence over the vocabulary; with fewer it is a lower bound of it (the data-processing inequality).
 *
 * @param hiddenTokens - as of `logitObjective`
 * @see DistillKit's and TRL's top-k losses leave the tail out or renormalize; we keep it as an outcome of its own
 */
export function answerObjective(settings: AnswerLoss, form: AnswerForm, hiddenTokens?: (length: number) => number): Objective {
  const { temperature, alpha, divergence = forwardKl } = settings;
  return {
    name: 'distill',
    inputs: {},
    build: (context) => {
      const { b, student, task } = context;
      const { labels, weights, choices, hidden, logits } = askedRows(context, hiddenTokens);
      const rows = hidden(student); // [N, D]
      const numRows = at(rows.shape, 0);
      invariant(typeof numRows === 'number', 'training batches have fixed sizes');
      const teacher = teacherRows(b, form, numRows, choices);
      let start = 0;
      const pieces = inPieces(b, rows, labels, choices).map(([piece, wanted]) => {
        const end = start + Number(at(piece.shape, 0));
        const studentLogits = logits(student, piece);
        const [crossEntropy, plainLog] = b.crossEntropy(studentLogits, wanted);
        const logStudent = temperature === 1 ? plainLog : b.logSoftmax(b.mul(studentLogits, 1 / temperature));
        const { log, ids } = teacher(start, end);
        start = end;
        const compared = ids === undefined ? logStudent : outcomesOf(b, logStudent, ids);
        return {
          crossEntropy,
          divergence: divergenceRows(b, log, compared, divergence),
          ...(task.kind === 'causal' ? {} : { accuracy: b.cast(b.equal(b.argMax(studentLogits, 1), wanted), 'float32') }),
        };
      });
      const mean = (values: readonly Value[]): Value => meanOfRows(b, values, weights);
      const crossEntropy = mean(pieces.map((piece) => piece.crossEntropy));
      const difference = mean(pieces.map((piece) => piece.divergence));
      const right = pieces.flatMap(({ accuracy }) => accuracy ?? []);
      return {
        loss: b.add(b.mul(crossEntropy, 1 - alpha), b.mul(difference, alpha * temperature ** 2)),
        metrics: { crossEntropy, divergence: difference, ...(right.length > 0 && { accuracy: mean(right) }) },
      };
    },
  };
}

interface TeacherRows {
  /** Log-probabilities [n, k+1] or [n, C]. */
  readonly log: Value;
  /** [n, k], where not all answers were handed over. */
  readonly ids?: Value;
}

/** The rows `start` to `end` of the batch's answers. */
function teacherRows(b: GraphBuilder, form: AnswerForm, numRows: number, choices: number): (start: number, end: number) => TeacherRows {
  const { ids, logProbabilities, logTails } = answerNames;
  if (form.kind === 'full') {
    const all = b.input(logProbabilities, 'float16', [numRows, choices]);
    return (start, end) => ({ log: b.cast(b.slice(all, 0, start, end), 'float32') });
  }
  const { topK } = form;
  const named = b.input(ids, 'int64', [numRows, topK]);
  const tails = b.reshape(b.input(logTails, 'float32', [numRows]), [numRows, 1]);
  const outcomes = b.concat([b.input(logProbabilities, 'float32', [numRows, topK]), tails], 1);
  return (start, end) => ({ log: b.slice(outcomes, 0, start, end), ids: b.slice(named, 0, start, end) });
}
