// What each loss counts, step by step: fixed weights, weights that move with the steps, and weights that keep shares of the gradient.

import { z } from 'zod';
import { AppError, at } from '#base';
import type { LossWeight } from '#teaching';

/** The weight of one term in a step, which counts from 1. */
export function weightAt(weight: LossWeight, step: number): number {
  if (typeof weight === 'number') return weight;
  const { from, to, steps, shape } = weight;
  const done = Math.min(1, (step - 1) / steps);
  return from + (to - from) * (shape === 'linear' ? done : (1 - Math.cos(Math.PI * done)) / 2);
}

/** The newest measurement's share in a norm that is kept. */
const newestShare = 0.25;
/** A weight is changed by no more than this factor. */
const largestFactor = 1000;

const savedSchema = z.object({ norms: z.array(z.number()), measuredAt: z.int().optional() });

/**
 * The weights of all terms.
 *
 * Balanced, weight w_i is what term i is to have of the gradient: with g_i, the norm of the term's own gradient with respect to the last state that
 * all terms have in common, the term counts w_i·ḡ/g_i, where ḡ = Σ w_j·g_j / Σ w_j. So the weighted norms stand as the w_i do, and their sum is
 * what it was. Norms are measured every few steps and smoothed; until the first measurement the weights are taken as they are.
 *
 * @see Chen et al., "GradNorm", ICML 2018: the quantity that is balanced. We set the weights where it learns them.
 */
export class LossWeights {
  readonly #weights: readonly LossWeight[];
  readonly #every: number | undefined;
  #norms: readonly number[] = [];
  /** Step of the newest measurement. */
  #measuredAt: number | undefined;

  /** @param every - steps between two measurements; undefined: not balanced */
  constructor(weights: readonly LossWeight[], every: number | undefined) {
    this.#weights = weights;
    this.#every = every;
  }

  get isBalanced(): boolean {
    return this.#every !== undefined;
  }

  /** Whether the weight of a term can be another in another step. */
  moves(index: number): boolean {
    return this.isBalanced || typeof at(this.#weights, index) !== 'number';
  }

  /** Whether the gradients' norms are measured in this step: in the first that has these weights, and when the newest measurement has got old. */
  measuresAt(step: number): boolean {
    return this.#every !== undefined && (this.#measuredAt === undefined || step - this.#measuredAt >= this.#every);
  }

  /** The smoothed norms of the terms' gradients; 0 before the first measurement. */
  get norms(): readonly number[] {
    return this.#weights.map((_, index) => this.#norms[index] ?? 0);
  }

  at(step: number): readonly number[] {
    const asked = this.#weights.map((weight) => weightAt(weight, step));
    const total = asked.reduce((sum, weight) => sum + weight, 0);
    if (this.#norms.length === 0 || total === 0) return asked;
    const mean = asked.reduce((sum, weight, index) => sum + weight * at(this.#norms, index), 0) / total;
    return asked.map((weight, index) => {
      const norm = at(this.#norms, index);
      // A term without a gradient stays as it is: there is nothing to make larger.
      return norm === 0 ? weight : weight * Math.min(largestFactor, Math.max(1 / largestFactor, mean / norm));
    });
  }

  /** @param measured - norm of each term's gradient in this step */
  observe(step: number, measured: readonly number[]): void {
    this.#measuredAt = step;
    this.#norms = measured.map((norm, index) => {
      const known = this.#norms[index];
      return known === undefined ? norm : known + newestShare * (norm - known);
    });
  }

  save(): unknown {
    return { norms: [...this.#norms], ...(this.#measuredAt === undefined ? {} : { measuredAt: this.#measuredAt }) };
  }

  /** @throws AppError `resume_mismatch` */
  restore(saved: unknown): void {
    const { success, data } = savedSchema.safeParse(saved);
    if (!success || ![0, this.#weights.length].includes(data.norms.length))
      throw new AppError(
        'resume_mismatch',
        `checkpoint: it is of a training with other losses than the ${this.#weights.length} of this one.`,
      );
    this.#norms = data.norms;
    this.#measuredAt = data.measuredAt;
  }
}
