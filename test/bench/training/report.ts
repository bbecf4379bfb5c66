// Writes the studies of training: for each a table over its seeds and the verdicts on what was expected, and one chart of all.
import { writeFileSync } from 'node:fs';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Cell, Claim, FactClaim, TrainedRecord, TrainedStudy } from './study.ts';

/** A study and what was measured of it at its scale. */
export interface MeasuredStudy {
  readonly study: Omit<TrainedStudy, 'close'>;
  readonly records: readonly TrainedRecord[];
}

export interface ReportText {
  readonly command: string;
  readonly seeds: readonly number[];
  /** Of all cells, two at a time. */
  readonly minutes: number;
  readonly markdownPath: string;
  readonly chartPath: string;
  readonly chartName: string;
}

/** Scores by seed of a cell that ran; what trains nothing has one for all. */
interface Scores {
  readonly bySeed: ReadonlyMap<number, number>;
  readonly isTrained: boolean;
}

export async function writeTrainingReport(studies: readonly MeasuredStudy[], text: ReportText): Promise<void> {
  const machines = new Set(studies.flatMap(({ records }) => records.map(({ machine }) => machine)));
  const lines = [
    '# Studies of training',
    '',
    `Made by \`${text.command}\` on ${[...machines].join(' and ')}, two cores, two cells at a time of one thread each: about ${text.minutes.toFixed(0)} minutes. ${text.seeds.length} seeds.`,
    'Less is better everywhere. A claim holds when it holds in two of three seeds and the gap between the means is above the standard deviation over seeds;',
    'a smaller gap is within noise; anything else contradicts it.',
    '',
    `![scores by method](${text.chartName})`,
    '',
    ...studies.flatMap((measured) => section(measured, text.seeds)),
  ];
  writeFileSync(text.markdownPath, lines.join('\n'));
  writeFileSync(text.chartPath, await chart(studies));
}

function section({ study, records }: MeasuredStudy, seeds: readonly number[]): string[] {
  const scores = new Map(study.cells.map((cell) => [cell.key, scoresOf(cell, records)] as const));
  const facts = study.facts ?? [];
  const rows = study.cells.flatMap(({ key, steps }) => {
    const own = records.filter((record) => record.key === key);
    const values = [...(scores.get(key)?.bySeed.values() ?? [])];
    if (values.length === 0) return [];
    const bytes = mean(own.map(({ storedBytes }) => storedBytes));
    const further = facts.map((name) => {
      const found = own.flatMap(({ facts: known }) => known?.[name] ?? []);
      return found.length === 0 ? '-' : mean(found).toFixed(1);
    });
    const cells = [key, (bytes / 1e6).toFixed(2), steps, `${mean(values).toFixed(4)}`, deviationText(values), ...further];
    return [`| ${cells.join(' | ')} |`];
  });
  const head = ['what', 'stored MB', 'steps', study.measure, '± over seeds', ...facts];
  return [
    `## ${study.title}`,
    '',
    `${study.setting}.`,
    '',
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows,
    '',
    ...study.claims.map((claim) => verdict(claim, scores, seeds)),
    ...(study.factClaims ?? []).map((claim) => factVerdict(claim, records)),
    '',
  ];
}

function verdict({ better, worse, slack }: Claim, scores: ReadonlyMap<string, Scores>, seeds: readonly number[]): string {
  const [left, right] = [scores.get(better), scores.get(worse)];
  const what = `${better} ${slack === undefined ? '<' : '≲'} ${worse}`;
  if (left === undefined || right === undefined || left.bySeed.size === 0 || right.bySeed.size === 0) return `- not measured: ${what}`;
  const at = ({ bySeed, isTrained }: Scores, seed: number): number | undefined => bySeed.get(isTrained ? seed : 0);
  const pairs = seeds.flatMap((seed) => {
    const [first, second] = [at(left, seed), at(right, seed)];
    return first === undefined || second === undefined ? [] : [first <= second * (1 + (slack ?? 0))];
  });
  const held = pairs.filter(Boolean).length;
  const [first, second] = [[...left.bySeed.values()], [...right.bySeed.values()]];
  const gap = mean(second) * (1 + (slack ?? 0)) - mean(first);
  const noise = Math.max(deviation(first), deviation(second));
  const isMost = 3 * held >= 2 * pairs.length;
  const word = isMost && gap > noise ? 'holds' : Math.abs(gap) <= noise ? '**within noise**' : isMost ? 'holds' : '**contradicted**';
  return `- ${word}: ${what} (${mean(first).toFixed(4)}, ${mean(second).toFixed(4)}; ${held} of ${pairs.length} seeds)`;
}

function factVerdict({ fact, order }: FactClaim, records: readonly TrainedRecord[]): string {
  const values = order.map((key) => {
    const found = records.filter((record) => record.key === key).flatMap(({ facts }) => facts?.[fact] ?? []);
    return found.length === 0 ? undefined : mean(found);
  });
  const what = `${fact}: ${order.join(' < ')}`;
  if (values.some((value) => value === undefined)) return `- not measured: ${what}`;
  const holds = values.every((value, index) => index === 0 || (values[index - 1] ?? 0) <= (value ?? 0));
  return `- ${holds ? 'holds' : '**contradicted**'}: ${what} (${values.map((value) => value?.toFixed(1)).join(', ')})`;
}

function scoresOf({ key, steps }: Cell, records: readonly TrainedRecord[]): Scores {
  const own = records.filter((record) => record.key === key);
  return { bySeed: new Map(own.map(({ seed, score }) => [seed, score])), isTrained: steps > 0 };
}

/** An SVG with a panel for each study: a point a seed, cells from the best to the worst. */
async function chart(studies: readonly MeasuredStudy[]): Promise<string> {
  const panels = studies.map(({ study, records }) => {
    const known = new Set(study.cells.map(({ key }) => key));
    const values = records
      .filter(({ key }) => known.has(key))
      .map(({ key, score, seed, steps }) => ({
        key,
        score: Math.min(score, study.limit ?? Number.POSITIVE_INFINITY),
        seed,
        kind: steps === 0 ? 'not trained' : 'trained',
      }));
    const y = { field: 'key', type: 'nominal', sort: { field: 'score', op: 'mean' }, title: null, axis: { labelLimit: 320 } };
    const x = { field: 'score', type: 'quantitative', scale: { zero: false }, title: study.measure };
    const color = {
      field: 'kind',
      type: 'nominal',
      title: null,
      scale: { domain: ['trained', 'not trained'], range: ['#1f77b4', '#999'] },
    };
    return {
      title: study.title,
      width: 420,
      height: { step: 15 },
      data: { values },
      layer: [
        { mark: { type: 'point', filled: true, size: 32, opacity: 0.75 }, encoding: { x, y, color } },
        { mark: { type: 'tick', thickness: 2, color: '#222', size: 11 }, encoding: { x: { ...x, aggregate: 'mean' }, y } },
      ],
    };
  });
  const spec = { concat: panels, columns: 2, spacing: 40, resolve: { scale: { x: 'independent', y: 'independent' } } } as TopLevelSpec;
  return await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the sample; 0 of one value. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

function deviationText(values: readonly number[]): string {
  return values.length < 2 ? '-' : deviation(values).toFixed(4);
}
