// The stages of a compression as text for people: what each left of the quality, what was dropped and why, and what a search tried.
import type { JobResultMessage } from '#server';
import { countText, table } from './output.ts';

type CompressMessage = NonNullable<JobResultMessage['compress']>;
type SearchMessage = NonNullable<CompressMessage['steps'][number]['search']>;
type Metrics = Readonly<Record<string, number | string>>;

/** Metrics in the order in which they are shown, with their heads and digits. */
const shown: readonly (readonly [string, string, number])[] = [
  ['storedBytes', 'stored bytes', 0],
  ['latencyMs', 'ms a token', 2],
  ['loss', 'loss', 4],
  ['bitsPerByte', 'bits/byte', 4],
  ['perplexity', 'perplexity', 2],
  ['accuracy', 'accuracy', 4],
  ['f1', 'F1', 4],
  ['matthews', 'Matthews', 4],
];

function columnsOf(all: readonly Metrics[]): typeof shown {
  return shown.filter(([name]) => all.some((metrics) => name in metrics));
}

function cells(columns: typeof shown, metrics: Metrics): string[] {
  return columns.map(([name, , digits]) => {
    const value = metrics[name];
    if (value === undefined) return '-';
    return digits === 0 ? countText(Number(value)) : Number(value).toFixed(digits);
  });
}

/** A row a stage; empty where none was measured. */
export function stagesText({ steps, startMetrics }: Pick<CompressMessage, 'steps' | 'startMetrics'>): string[] {
  const measured = [startMetrics, ...steps.map(({ metrics }) => metrics)];
  const columns = columnsOf(measured);
  if (columns.length === 0) return [];
  const rows = steps.flatMap(({ method, metrics, dropped, gate }, index) => {
    if (Object.keys(metrics).length === 0) return [];
    const verdict = gate ? (gate.held ? 'held' : 'not held') : '';
    const state = [verdict, dropped ? 'dropped' : ''].filter((part) => part !== '').join(', ');
    return [[`${index + 1}, ${method}`, ...cells(columns, metrics), state]];
  });
  const all = [['after step', ...columns.map(([, head]) => head), ''], ['start', ...cells(columns, startMetrics), ''], ...rows];
  const hasStates = all.some((row) => row.at(-1) !== '');
  return [table(hasStates ? all : all.map((row) => row.slice(0, -1))), ''];
}

/** Why steps are missing. */
export function stopText(stop: CompressMessage['stop'] | undefined): string[] {
  if (!stop) return [];
  return [`stopped at step ${stop.step + 1}: ${stop.reason}; the result is the model after step ${stop.keptSteps}`, ''];
}

/** A row a trial in the order of their sizes; `*` marks the front, `>` the one that was chosen. */
export function searchText({ trials, chosen, ended }: SearchMessage): string[] {
  if (trials.length === 0) return [];
  const made = trials.flatMap((trial, index) => (trial.failure === '' ? [{ ...trial, isChosen: index === chosen }] : []));
  const columns = columnsOf(made.map(({ metrics }) => metrics));
  made.sort((one, other) => Number(one.metrics['storedBytes']) - Number(other.metrics['storedBytes']));
  const rows = made.map(({ name, metrics, meetsTarget, onFront, elapsedMs, isChosen }) => [
    `${isChosen ? '>' : ' '}${onFront ? '*' : ' '} ${name}`,
    ...cells(columns, metrics),
    meetsTarget ? 'yes' : 'no',
    `${(elapsedMs / 1000).toFixed(1)} s`,
  ]);
  const failed = trials.filter(({ failure }) => failure !== '').map(({ name, failure }) => `could not be made: ${name}: ${failure}`);
  return [
    table([['trial', ...columns.map(([, head]) => head), 'in target', 'took'], ...rows]),
    ...failed,
    `${trials.length} trials, ended by ${ended === 'exhausted' ? 'trying everything' : `the budget of ${ended}`}; > is the result, * no other trial is both smaller and better`,
  ];
}
