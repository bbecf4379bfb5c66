// The chart of the study: quality against stored bytes, before and after distillation.

import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { StudyRecord } from './records.ts';

export interface ChartText {
  readonly title: string;
  readonly measure: string;
  /** Scores above it lie outside the chart. */
  readonly limit: number;
  /** For models that differ by orders of magnitude. @default linear */
  readonly sizes?: 'linear' | 'log';
}

/** An SVG with one panel before distillation and one after; the dashed line is the teacher. */
export async function chartSvg(points: readonly StudyRecord[], teacher: number, text: ChartText): Promise<string> {
  const { title, measure, limit, sizes = 'linear' } = text;
  const rows = points.map(({ series, family, size, storedBytes, score, steps }) => ({
    series,
    family,
    size,
    megabytes: storedBytes / 1e6,
    score: Math.min(score, limit),
    when: steps === 0 ? 'as compressed' : `after ${steps} steps of distillation`,
  }));
  const panel = {
    width: 460,
    height: 420,
    layer: [
      {
        mark: { type: 'line', point: { size: 45, filled: true }, strokeWidth: 1.3, opacity: 0.85 },
        encoding: {
          x: {
            field: 'megabytes',
            type: 'quantitative',
            title: 'stored megabytes',
            scale: sizes === 'log' ? { type: 'log' } : { zero: false },
          },
          y: { field: 'score', type: 'quantitative', title: measure, scale: { zero: false } },
          color: { field: 'family', type: 'nominal', title: null },
          detail: { field: 'series' },
          shape: { field: 'series', type: 'nominal', title: null, legend: { columns: 2, symbolLimit: 60, labelLimit: 300 } },
        },
      },
      { mark: { type: 'rule', strokeDash: [5, 4], color: '#444' }, encoding: { y: { datum: teacher } } },
    ],
  };
  const spec = { title, data: { values: rows }, facet: { column: { field: 'when', title: null } }, spec: panel } as TopLevelSpec;
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  return await view.toSVG();
}
