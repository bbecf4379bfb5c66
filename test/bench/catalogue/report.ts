// The report of the study: a table with every measurement, the orderings that the literature leads one to expect, and the chart.
import { writeFileSync } from 'node:fs';
import { chartSvg } from './chart.ts';
import { checkOrderings } from './orderings.ts';
import type { Case } from './plan.ts';
import type { StudyRecord } from './records.ts';

export interface ReportText {
  readonly title: string;
  readonly command: string;
  /** For example `bits per byte`. */
  readonly measure: string;
  readonly setting: string;
  readonly markdownPath: string;
  readonly chartPath: string;
  readonly steps: number;
  /** How scores are held against the teacher's: as a share of it (default), or as a difference. */
  readonly over?: 'share' | 'points';
  /** Scores above it are drawn there; twice the teacher's when absent. */
  readonly limit?: number;
}

/** Rows in the order of the cases, whatever the order in which they were measured. */
export async function writeReport(records: readonly StudyRecord[], cases: readonly Case[], text: ReportText): Promise<void> {
  const teacher = records.find(({ key }) => key === 'teacher');
  if (teacher === undefined) throw new Error('the study begins with the teacher');
  const known = new Set(records.map(({ key }) => key));
  const keys = cases.map(({ key }) => key).filter((key) => known.has(key));
  const lines = keys.map((key) => row(records, key, teacher, text));
  const means = keys.flatMap((key) => meansOf(records, key, text.steps));
  const limit = text.limit ?? 2 * teacher.score;
  writeFileSync(text.chartPath, await chartSvg(means, teacher.score, { title: text.title, measure: text.measure, limit }));
  const chartName = text.chartPath.split('/').at(-1) ?? '';
  writeFileSync(
    text.markdownPath,
    `# ${text.title}

Made by \`${text.command}\`. ${text.setting}.
Teacher: ${(teacher.storedBytes / 1e6).toFixed(2)} MB, ${teacher.score.toFixed(4)} ${text.measure}.
Sizes are shares of the stored bytes of the touched matrices; stored is the whole model, every tensor once. After distillation: mean and, with several seeds, range.

![${text.measure} against stored bytes](${chartName})

In the chart a score above ${limit.toFixed(2)} is drawn there.

| method | size | stored | ${text.measure} | over the teacher | after ${text.steps} steps | over the teacher |
| --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}

## Expected orderings

${checkOrderings(records, text.steps)
  .map(
    ({ claim, holds, figures }) =>
      `- ${holds === undefined ? 'not measured' : holds ? 'holds' : '**contradicted**'}: ${claim} (${figures})`,
  )
  .join('\n')}
`,
  );
}

/** The record before training, and one that stands for all seeds after it. */
function meansOf(records: readonly StudyRecord[], key: string, steps: number): StudyRecord[] {
  const before = records.find((record) => record.key === key && record.steps === 0 && record.failure === undefined);
  const after = records.filter((record) => record.key === key && record.steps === steps);
  const [first] = after;
  const mean = after.reduce((sum, { score }) => sum + score, 0) / after.length;
  return [...(before === undefined ? [] : [before]), ...(first === undefined ? [] : [{ ...first, score: mean }])];
}

function row(records: readonly StudyRecord[], key: string, teacher: StudyRecord, { steps, over: kind = 'share' }: ReportText): string {
  const failed = records.find((record) => record.key === key && record.failure !== undefined);
  if (failed !== undefined) return `| ${failed.series} | ${failed.size} | - | ${failed.failure} | | | |`;
  const before = records.find((record) => record.key === key && record.steps === 0);
  const after = records.filter((record) => record.key === key && record.steps === steps).map(({ score }) => score);
  if (before === undefined) return `| ${key} | | | | | | |`;
  const over = (score: number): string =>
    kind === 'share' ? `${(100 * (score / teacher.score - 1)).toFixed(1)} %` : `${(score - teacher.score).toFixed(1)}`;
  const mean = after.reduce((sum, score) => sum + score, 0) / after.length;
  const range = after.length > 1 ? ` (${Math.min(...after).toFixed(4)}–${Math.max(...after).toFixed(4)})` : '';
  const trained = after.length === 0 ? ['-', '-'] : [`${mean.toFixed(4)}${range}`, over(mean)];
  const cells = [before.series, before.size, `${(before.storedBytes / 1e6).toFixed(2)} MB`, before.score.toFixed(4)];
  return `| ${[...cells, over(before.score), ...trained].join(' | ')} |`;
}
