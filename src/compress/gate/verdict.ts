// Whether a model may pass a gate.
import { AppError } from '#base';
import { type Measures, type QualityMetric, risesWithQuality, worsening } from '../measures.ts';
import type { GateSettings } from './settings.ts';

/** What a gate found. */
export interface GateReport {
  readonly metric: QualityMetric;
  readonly value: number;
  /** Of the model that it was compared with. */
  readonly reference: number;
  /** The worst value that passes. */
  readonly limit: number;
  readonly held: boolean;
}

/** @throws AppError `unsupported` where the data of the job does not give the metric */
export function judge(settings: GateSettings, reference: Measures, current: Measures): GateReport {
  const { metric, maxLoss, relative = !risesWithQuality(metric), atMost, atLeast } = settings;
  const [before, value] = [figure(reference, metric), figure(current, metric)];
  const rises = risesWithQuality(metric);
  const limits = [
    ...(maxLoss === undefined ? [] : [before + (rises ? -1 : 1) * maxLoss * (relative ? Math.abs(before) : 1)]),
    ...(atMost === undefined ? [] : [atMost]),
    ...(atLeast === undefined ? [] : [atLeast]),
  ];
  const limit = rises ? Math.max(...limits) : Math.min(...limits);
  // What is not a number is never good enough.
  return { metric, value, reference: before, limit, held: rises ? value >= limit : value <= limit };
}

/** @throws AppError `unsupported` */
export function figure(measures: Measures, metric: QualityMetric): number {
  const value = measures[metric];
  if (value !== undefined) return value;
  throw new AppError('unsupported', `metric "${metric}": is not measured on this data. There are ${Object.keys(measures).join(', ')}.`, {
    details: { metric },
  });
}

/** For people: what was found against what was allowed. */
export function gateText({ metric, value, reference, limit, held }: GateReport): string {
  const lost = worsening(metric, reference, value, true);
  const change = lost >= 0 ? `${(100 * lost).toFixed(2)} % worse than` : `${(-100 * lost).toFixed(2)} % better than`;
  const bound = risesWithQuality(metric) ? 'at least' : 'at most';
  return `${metric} ${value.toFixed(4)} is ${change} ${reference.toFixed(4)}, ${bound} ${limit.toFixed(4)} passes: ${held ? 'held' : 'not held'}`;
}
