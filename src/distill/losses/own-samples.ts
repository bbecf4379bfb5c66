// What the losses of a distillation mean on texts that the student drew itself.
import { AppError } from '#base';
import { countsEver, type DistillationLoss } from '#teaching';
import type { SchemeInGraph } from '#train';
import type { Divergence } from './divergence.ts';
import type { PolicyGradient } from './policy-gradient.ts';

/** Of the graphs that see the student's own samples. */
export const ownSamplesVariant = 'ownSamples';

/** Steps on samples, and what they minimize. */
export interface OwnSamples {
  /** Kind by kind those of the data. */
  readonly losses: readonly DistillationLoss[];
  /** In place of the divergences of `logits`. */
  readonly policy?: PolicyGradient | undefined;
  /** Whether a step learns on samples: a function of the step alone, so that a run that goes on decides the same. */
  isOwn(this: void, step: number): boolean;
}

/** Whether a graph sees samples; the variant may be joined with those of other schemes. */
export function seesOwnSamples({ variant }: Pick<SchemeInGraph, 'variant'>): boolean {
  return variant.includes(ownSamplesVariant);
}

/**
 * The same losses on samples, where `labels` weigh nothing: what the student drew is no label. All others look at the drawn tokens, which see their
 * prompts.
 *
 * @param divergence - of all `logits` there; absent: each has its own
 * @throws AppError `invalid_argument` naming the field: where nothing is left to learn, and for first tokens, which are of the prompt
 */
export function lossesOnSamples(losses: readonly DistillationLoss[], divergence?: Divergence): readonly DistillationLoss[] {
  const fail = (field: string, why: string): AppError => new AppError('invalid_argument', `${field}: ${why}`, { details: { field } });
  const found = losses.map((loss, index): DistillationLoss => {
    if (loss.kind === 'hidden' && loss.tokens === 'first')
      throw fail(
        `losses[${index}].tokens`,
        'the first token of a sample is of its prompt, which is not the student\'s own. Use "all" beside onPolicy.',
      );
    // A weight that moves stays one, so that data and samples report the same figures.
    if (loss.kind === 'labels') return { ...loss, weight: typeof loss.weight === 'number' ? 0 : { ...loss.weight, from: 0, to: 0 } };
    return loss.kind === 'logits' ? { ...loss, ...divergence } : loss;
  });
  if (found.some(countsEver)) return found;
  throw fail('losses', 'only "labels" count, and the student\'s own samples are no labels. Add {kind: logits}, or leave onPolicy out.');
}
