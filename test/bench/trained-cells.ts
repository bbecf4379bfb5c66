// Studies of methods that train: recipes by seed on one model, each measured once and written down, so that a study that was stopped goes on.
import { writeFileSync } from 'node:fs';
import { quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { type Model, parameterCounts } from '#models';
import type { TrainingData } from '#train';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import type { Records, StudyRecord } from './catalogue/records.ts';

/** What all cells start from and are measured by. */
export interface TrainedSubject {
  readonly engine: Engine;
  readonly model: Model;
  readonly corpus: TrainingData;
  /** Less is better. */
  score(model: Model): Promise<number>;
}

export interface Cell {
  readonly key: string;
  /** Steps of a recipe, which train with this seed; none for the model as it is. */
  recipe(seed: number): readonly object[];
  /** Training steps of the whole recipe; 0 where nothing trains, and one seed is enough. */
  readonly steps: number;
}

/** An order that is expected of the scores. */
export interface Claim {
  readonly text: string;
  /** Keys from the best to the worst. */
  readonly order: readonly string[];
  /** By how much a key that comes earlier may be worse, as a share: for pairs that are said to be about equal. */
  readonly slack?: number;
}

/** Measures the cells that `records` does not know yet. `only`: those whose key holds it. */
export async function runCells(
  subject: TrainedSubject,
  cells: readonly Cell[],
  seeds: readonly number[],
  only: string,
  records: Records,
): Promise<void> {
  const { engine, model, corpus } = subject;
  for (const { key, recipe, steps } of cells.filter((cell) => cell.key.includes(only)))
    for (const seed of steps === 0 ? [0] : seeds) {
      if (records.find(key, steps, seed) !== undefined) continue;
      const started = performance.now();
      const training = new RecipeTraining({ engine, corpus, seed, teacher: async () => model });
      const given = recipe(seed);
      const made =
        given.length === 0
          ? { model, note: '' }
          : await compressModel(
              model,
              parseRecipe({ steps: given, seed }, recipeMethods),
              { engine, ofStep: () => ({ training }) },
              quietContext,
            ).then((result) => ({ model: result.model, note: result.report.steps.map(({ note = '' }) => note).join(' | ') }));
      const score = await subject.score(made.model);
      const { storedBytes } = parameterCounts(made.model);
      records.add({ key, series: key, family: key, size: '', storedBytes, steps, seed, score });
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      process.stdout.write(`${key}, seed ${seed}: ${score.toFixed(4)}, ${storedBytes} bytes, ${seconds} s. ${made.note}\n`);
    }
}

export interface ReportText {
  readonly title: string;
  readonly measure: string;
  readonly setting: string;
  readonly path: string;
}

/** Writes the table of all cells that were measured, and which of the orders hold in most seeds. */
export function writeTrainedReport(
  cells: readonly Cell[],
  claims: readonly Claim[],
  records: Records,
  { title, measure, setting, path }: ReportText,
): void {
  const rows = cells.flatMap(({ key, steps }) => {
    const found = records.all.filter((record) => record.key === key && record.steps === steps);
    const [first] = found;
    if (first === undefined) return [];
    const scores = found.map(({ score }) => score);
    return [`| ${key} | ${first.storedBytes.toLocaleString('en')} | ${steps} | ${mean(scores).toFixed(4)} | ${spread(scores)} |`];
  });
  const verdicts = claims.map(({ text, order, slack = 0 }) => {
    const seeds = [...new Set(records.all.map(({ seed }) => seed))].sort((first, second) => first - second);
    const held = seeds.flatMap((seed) => {
      const scores = order.map((key) => scoreOf(cells, records.all, key, seed));
      if (scores.some((score) => score === undefined)) return [];
      return [scores.every((score, index) => index === 0 || (scores[index - 1] ?? 0) <= (score ?? 0) * (1 + slack))];
    });
    const count = held.filter(Boolean).length;
    const verdict =
      held.length === 0 ? 'not measured' : `${2 * count > held.length ? 'holds' : 'does not hold'} (${count} of ${held.length} seeds)`;
    return `| ${text} | ${verdict} |`;
  });
  const lines = [
    `# ${title}`,
    '',
    setting,
    '',
    `| what | stored bytes | training steps | ${measure} | over seeds |`,
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    '| expected | seen |',
    '| --- | --- |',
    ...verdicts,
    '',
  ];
  writeFileSync(path, lines.join('\n'));
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** What trains nothing is the same for every seed. */
function scoreOf(cells: readonly Cell[], records: readonly StudyRecord[], key: string, seed: number): number | undefined {
  const steps = cells.find((cell) => cell.key === key)?.steps ?? 0;
  return records.find((record) => record.key === key && record.steps === steps && record.seed === (steps === 0 ? 0 : seed))?.score;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function spread(values: readonly number[]): string {
  if (values.length < 2) return '-';
  const middle = mean(values);
  return `± ${Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1)).toFixed(4)}`;
}
