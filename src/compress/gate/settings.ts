// Settings of the step `gate`.
import { z } from 'zod';
import { qualityMetrics, risesWithQuality } from '../measures.ts';

const finite = z.number();

export const gateSettings = z
  .strictObject({
    /** What is measured, on held-out data. */
    metric: z.enum(qualityMetrics).default('loss'),
    /** Largest worsening that is let through. */
    maxLoss: finite.nonnegative().optional(),
    /** Whether `maxLoss` is a share of the value that is compared with; by default of all metrics but accuracy, which counts in points of 1. */
    relative: z.boolean().optional(),
    /** What is compared with: the model that the recipe started from, or the one that passed the gate before (the start, for the first gate). */
    against: z.enum(['start', 'previous']).default('start'),
    /** Bounds on the metric itself. */
    atMost: finite.optional(),
    atLeast: finite.optional(),
    /** What happens where it does not hold: the job ends with the model of the last gate that held, or fails. Without such a gate it fails either way. */
    otherwise: z.enum(['keep', 'fail']).default('keep'),
    seed: z.int().nonnegative().optional(),
  })
  .superRefine(({ metric, maxLoss, atMost, atLeast, relative }, context) => {
    const fault = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message });
    if (maxLoss === undefined && atMost === undefined && atLeast === undefined)
      fault('maxLoss', 'is missing: give maxLoss, or a bound by atMost or atLeast');
    if (maxLoss === undefined && relative !== undefined) fault('relative', 'says how maxLoss is meant; give maxLoss too');
    if (atMost !== undefined && risesWithQuality(metric))
      fault('atMost', `would refuse good models, since more ${metric} is better; give atLeast`);
    if (atLeast !== undefined && !risesWithQuality(metric))
      fault('atLeast', `would refuse good models, since less ${metric} is better; give atMost`);
  });

export type GateSettings = z.infer<typeof gateSettings>;
