// The augmented Lagrangian that brings the expected size to its target, and the schedule of the target.
import type { Emitter, Value } from '#graph';

/** `signed` as published; `absolute` never pays for a model that is smaller than the target, which is steadier on little data. */
export type LagrangianForm = 'signed' | 'absolute';

/**
 * λ1·d + λ2·d², with d = s̄ − t, or |s̄ − t| in the absolute form. Weights and gates go down its gradient, λ1 and λ2 go up theirs.
 *
 * @param sparsity - s̄ [], the expected share of the size that is gone
 * @param target - t []
 * @see Z. Wang, J. Wohlwend, T. Lei, "Structured pruning of large language models", EMNLP 2020, §3.3 eq. 7; for the absolute form M. Xia, Z. Zhong,
 * D. Chen, "Structured pruning learns compact and accurate models" (CoFi), ACL 2022, and the discussion of its code
 */
export function sizePenalty(
  b: Emitter,
  form: LagrangianForm,
  [first, second]: readonly [Value, Value],
  sparsity: Value,
  target: Value,
): Value {
  const signed = b.sub(sparsity, target);
  const distance = form === 'signed' ? signed : b.abs(signed);
  return b.add(b.mul(first, distance), b.mul(second, b.mul(distance, distance)));
}

/**
 * The target of one step: from the sparsity that training starts with, in a straight line to `sparsity` at the end of the warm-up.
 *
 * Factors of a full rank store more than their matrix, so that the first sparsity may be below 0. Published is a start at 0.
 */
export function targetAt(step: number, warmupSteps: number, start: number, sparsity: number): number {
  const share = warmupSteps === 0 ? 1 : Math.min(1, step / warmupSteps);
  return start + (sparsity - start) * share;
}
