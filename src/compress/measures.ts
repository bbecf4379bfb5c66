// What is measured of models on data that no step trains on, and which way of each figure is the better one.
import type { OperationContext } from '#base';
import type { Model } from '#models';

/** Figures by name: `loss` (nats), and what the model's task has beside it: `bitsPerByte`, `perplexity`, `accuracy`, `f1`, `matthews`. */
export type Measures = Readonly<Record<string, number>>;

/** Figures that gates and searches go by. */
export const qualityMetrics = ['loss', 'bitsPerByte', 'perplexity', 'accuracy'] as const;
export type QualityMetric = (typeof qualityMetrics)[number];

/** Whether more of it is better. */
export function risesWithQuality(metric: QualityMetric): boolean {
  return metric === 'accuracy';
}

/** Data that no step of the recipe learns from. */
export interface HeldOut {
  /** Whether this data says something of the model: nothing of an encoder that is yet to become a classifier, for one. */
  fits(model: Model): boolean;
  /** @throws AppError `unsupported` for a model that this data says nothing of | `bad_weights` | `cancelled` */
  measure(model: Model, context: OperationContext): Promise<Measures>;
  /** Milliseconds of one step of decoding, one sequence. @throws AppError `unsupported` for a model that does not continue text */
  latencyMs(model: Model, context: OperationContext): Promise<number>;
}

/** Plain JSON that survives the process, so that what was measured once is not measured again. */
export interface RecordMemory {
  recall(key: string): Promise<unknown>;
  remember(key: string, record: unknown): Promise<void>;
}

/** How much worse a figure is than another, in its own unit or as a share of the other; below 0 where it is better. */
export function worsening(metric: QualityMetric, before: number, after: number, relative: boolean): number {
  const lost = risesWithQuality(metric) ? before - after : after - before;
  return relative ? lost / Math.abs(before) : lost;
}
