// Runs the cases of the study on one subject, each before and after distillation, and keeps what it measured.
import { AppError, quietContext } from '#base';
import { type Calibration, compressModel, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { type Model, parameterCounts } from '#models';
import type { Case } from './plan.ts';
import type { Records } from './records.ts';

/** A trained model and what its students are measured by. */
export interface Subject {
  readonly teacher: Model;
  readonly calibration: Calibration;
  /** Less is better. */
  score(model: Model): Promise<number>;
  distil(student: Model, steps: number, seed: number): Promise<Model>;
}

export interface StudySettings {
  readonly steps: number;
  readonly seeds: readonly number[];
  /** Cases whose key does not contain it are left out. */
  readonly only?: string;
  /** From the last case of the last seed to the first: a second process beside one that goes forwards. */
  readonly backwards?: boolean;
}

/** Measurements that are in the records already are not made again. */
export async function runStudy(
  engine: Engine,
  subject: Subject,
  cases: readonly Case[],
  { steps, seeds, only = '', backwards = false }: StudySettings,
  records: Records,
): Promise<void> {
  if (records.find('teacher', 0, 0) === undefined) {
    const score = await subject.score(subject.teacher);
    const { storedBytes } = parameterCounts(subject.teacher);
    records.add({ key: 'teacher', series: 'teacher', family: 'teacher', size: '100 %', storedBytes, steps: 0, seed: 0, score });
  }
  const wanted = cases.filter(({ key }) => key.includes(only));
  // What needs no training first: a run that is stopped early has every method once.
  for (const each of wanted) if (records.find(each.key, 0, 0) === undefined) await runCase(engine, subject, each, steps, [], records);
  const inTurn = <Each>(list: readonly Each[]): readonly Each[] => (backwards ? list.toReversed() : list);
  for (const seed of inTurn(seeds))
    for (const each of inTurn(wanted))
      if (each.trains && records.find(each.key, 0, 0)?.failure === undefined && records.find(each.key, steps, seed) === undefined)
        await runCase(engine, subject, each, steps, [seed], records);
}

async function runCase(
  engine: Engine,
  subject: Subject,
  each: Case,
  steps: number,
  seeds: readonly number[],
  records: Records,
): Promise<void> {
  const { key, series, family, size } = each;
  const note = (model: Model, of: { steps: number; seed: number; score: number }): void => {
    const { storedBytes } = parameterCounts(model);
    records.add({ key, series, family, size, storedBytes, ...of });
    console.error(`${key}, ${of.steps} steps, seed ${of.seed}: ${storedBytes} bytes, ${of.score.toFixed(4)}`);
  };
  let student: Model;
  try {
    student = await compressed(engine, subject, subject.teacher, each.steps);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // A method that cannot do this size says so; the study shows it.
    console.error(`${key}: ${error.message}`);
    records.add({ key, series, family, size, storedBytes: 0, steps: 0, seed: 0, score: 0, failure: error.message });
    return;
  }
  const finished = (model: Model): Promise<Model> =>
    each.last === undefined ? Promise.resolve(model) : compressed(engine, subject, model, [each.last]);
  if (records.find(key, 0, 0) === undefined) {
    const model = await finished(student);
    note(model, { steps: 0, seed: 0, score: await subject.score(model) });
  }
  for (const seed of seeds) {
    const model = await finished(await subject.distil(student, steps, seed));
    note(model, { steps, seed, score: await subject.score(model) });
  }
}

async function compressed(engine: Engine, { calibration }: Subject, model: Model, steps: Case['steps']): Promise<Model> {
  const recipe = parseRecipe({ steps }, methods);
  return (await compressModel(model, recipe, { engine, calibration, seed: 0 }, quietContext)).model;
}
