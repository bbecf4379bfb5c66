// What a teacher says of the rows of a batch: its likeliest answers with the probability of all others together, or every answer.
import { AppError, at } from '#base';
import { largestIds } from '#serve';
import { floatToHalf } from '#tensor';

/** How much of a teacher's distribution is handed over. */
export type AnswerForm =
  /** The `topK` likeliest answers and what is left over. */
  | { readonly kind: 'top'; readonly topK: number }
  /** Every answer, in half precision. */
  | { readonly kind: 'full' };

/** Of N rows. */
export interface TopAnswers {
  readonly kind: 'top';
  readonly topK: number;
  /** [N*k], likeliest first within a row; among equals the lower id. */
  readonly ids: Int32Array;
  /** [N*k], natural logarithms. */
  readonly logProbabilities: Float32Array;
  /** [N]: of the probability of all other answers together; `lowestLog` where there is none. */
  readonly logTails: Float32Array;
}

/** Of N rows. */
export interface FullAnswers {
  readonly kind: 'full';
  /** C */
  readonly choices: number;
  /** [N*C], natural logarithms as binary16 bit patterns. */
  readonly logProbabilities: Uint16Array;
}

/** A teacher's distributions at one temperature, row by row. */
export type TeacherAnswers = TopAnswers | FullAnswers;

/** Stands for ln 0, so that no term becomes infinite or undefined: e^-87 is about the least that float32 holds. */
export const lowestLog = -87;

/** Below this the left-over probability is summed itself: a difference from 1 would be rounding alone. */
const summedTail = 1e-3;

/**
 * The likeliest answers of rows of log-probabilities [N*C], appended row by row.
 *
 * The left-over probability is exact: 0 when `topK` is C, and summed over the others where it is small.
 */
export function topAnswers(logProbabilities: Float32Array, choices: number, topK: number): TopAnswers {
  const numRows = logProbabilities.length / choices;
  const made = {
    kind: 'top',
    topK,
    ids: new Int32Array(numRows * topK),
    logProbabilities: new Float32Array(numRows * topK),
    logTails: new Float32Array(numRows),
  } as const;
  for (let row = 0; row < numRows; row++) {
    const values = logProbabilities.subarray(row * choices, (row + 1) * choices);
    const ids = likeliest(values, topK);
    let kept = 0;
    ids.forEach((id, place) => {
      const value = clamped(at(values, id));
      made.ids[row * topK + place] = id;
      made.logProbabilities[row * topK + place] = value;
      kept += Math.exp(value);
    });
    made.logTails[row] = clamped(Math.log(topK === choices ? 0 : tail(values, ids, 1 - kept)));
  }
  return made;
}

/** Every answer of rows of log-probabilities [N*C]. */
export function fullAnswers(logProbabilities: Float32Array, choices: number): FullAnswers {
  return { kind: 'full', choices, logProbabilities: floatToHalf(logProbabilities.map(clamped)) };
}

/** Rows one after the other. @throws AppError `internal` when the forms differ */
export function joinAnswers(parts: readonly TeacherAnswers[]): TeacherAnswers {
  const first = at(parts, 0);
  if (parts.length === 1) return first;
  if (first.kind === 'full') {
    const all = parts.map((part) => ofKind(part, 'full').logProbabilities);
    const joined = new Uint16Array(all.reduce((sum, { length }) => sum + length, 0));
    let place = 0;
    for (const each of all) {
      joined.set(each, place);
      place += each.length;
    }
    return { ...first, logProbabilities: joined };
  }
  const tops = parts.map((part) => ofKind(part, 'top'));
  const numRows = tops.reduce((sum, { logTails }) => sum + logTails.length, 0);
  const joined = emptyAnswers(numRows, first.topK);
  let row = 0;
  for (const each of tops) {
    copyRows(each, 0, each.logTails.length, joined, row);
    row += each.logTails.length;
  }
  return joined;
}

/** Rows to be filled in: certain of answer 0 until they are. */
export function emptyAnswers(numRows: number, topK: number): TopAnswers {
  const logProbabilities = new Float32Array(numRows * topK).fill(lowestLog);
  for (let row = 0; row < numRows; row++) logProbabilities[row * topK] = 0;
  const ids = Int32Array.from({ length: numRows * topK }, (_, index) => index % topK);
  return { kind: 'top', topK, ids, logProbabilities, logTails: new Float32Array(numRows).fill(lowestLog) };
}

/** Copies `count` rows from row `start` of one to row `target` of the other. */
export function copyRows(from: TopAnswers, start: number, count: number, to: TopAnswers, target: number): void {
  const k = from.topK;
  to.ids.set(from.ids.subarray(start * k, (start + count) * k), target * k);
  to.logProbabilities.set(from.logProbabilities.subarray(start * k, (start + count) * k), target * k);
  to.logTails.set(from.logTails.subarray(start, start + count), target);
}

/** N */
export function rowsOf(answers: TeacherAnswers): number {
  return answers.kind === 'top' ? answers.logTails.length : answers.logProbabilities.length / answers.choices;
}

/** @throws AppError `invalid_argument` for more answers than there are */
export function checkForm(form: AnswerForm, choices: number, place: string): void {
  if (form.kind === 'full' || (Number.isInteger(form.topK) && form.topK >= 1 && form.topK <= choices)) return;
  throw new AppError('invalid_argument', `${place}: must be a whole number from 1 to the teacher's ${choices} answers, got ${form.topK}.`, {
    details: { field: place },
  });
}

function ofKind<Kind extends TeacherAnswers['kind']>(answers: TeacherAnswers, kind: Kind): Extract<TeacherAnswers, { kind: Kind }> {
  if (answers.kind === kind) return answers as Extract<TeacherAnswers, { kind: Kind }>;
  throw new AppError('internal', `a teacher's answers are ${answers.kind}, not ${kind}.`);
}

/** A logit of minus infinity, as masks make, would give 0·∞ in the loss. */
function clamped(value: number): number {
  return Math.max(value, lowestLog);
}

function tail(values: Float32Array, ids: Int32Array, difference: number): number {
  if (difference > summedTail) return difference;
  const kept = new Set(ids);
  let sum = 0;
  for (let id = 0; id < values.length; id++) if (!kept.has(id)) sum += Math.exp(values[id] ?? lowestLog);
  return sum;
}

/** Ids of the `count` largest, largest first. */
function likeliest(values: Float32Array, count: number): Int32Array {
  return largestIds(values, count).sort((left, right) => at(values, right) - at(values, left) || left - right);
}
