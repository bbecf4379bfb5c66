// Reverse KL over whole samples by policy gradient: what a token is worth for those behind it, beside its own divergence.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { float32, staticDim } from '#tensor';
import { logMixture } from './divergence.ts';

/** How samples were drawn. */
export interface PolicyGradient {
  /** α: the teacher's share in the draws; 0: the student alone drew. */
  readonly teacherShare: number;
  /** Of the draws, above 0. */
  readonly temperature: number;
}

/** Of rows, [n] each. */
export interface PolicyRows {
  /** log q(y): of the drawn token, by the student. */
  readonly logStudent: Value;
  /** log p(y), by the teacher. */
  readonly logTeacher: Value;
  /** log p̃(y): as it was drawn. */
  readonly logDrawn: Value;
  /** KL(q ‖ p) over all tokens. */
  readonly divergence: Value;
}

/** What the rows of a piece say of the drawn tokens. @param drawn - int64 [n] */
export function policyRows(
  b: Emitter,
  {
    studentLogits,
    teacherLogits,
    drawn,
    divergence,
  }: { readonly studentLogits: Value; readonly teacherLogits: Value; readonly drawn: Value; readonly divergence: Value },
  { teacherShare, temperature }: PolicyGradient,
): PolicyRows {
  const log = (logits: Value, softness: number): Value =>
    b.neg(b.crossEntropy(softness === 1 ? logits : b.mul(logits, 1 / softness), drawn)[0]);
  const [own, others] = [log(studentLogits, temperature), log(teacherLogits, temperature)];
  return {
    logStudent: log(studentLogits, 1),
    logTeacher: log(teacherLogits, 1),
    logDrawn: teacherShare === 0 ? own : logMixture(b, [others, own], [teacherShare, 1 - teacherShare]),
    divergence,
  };
}

/**
 * The mean over drawn tokens of w·KL(q ‖ p), whose gradient is that of the reverse KL of whole samples: the value is the single-step part, and the gradient
 * has the long part -w·R·∇log q(y) too, where R is the mean reward log p - log q of the tokens behind the drawn one (length normalization), and w = q(y)/p̃(y)
 * makes up for draws that were not the student's.
 *
 * @param counts - float32 [B, T], 1 for drawn tokens
 * @see Gu et al., "MiniLLM: Knowledge Distillation of Large Language Models", ICLR 2024, §2.2, eq. 3, 5 and 6. We differ: a sample is learnt once, with the
 * weights that drew it, so that there is nothing for PPO's clipping to clip; the mean is over tokens, not the sum over each text
 */
export function policyGradientLoss(b: Emitter, pieces: readonly PolicyRows[], counts: Value): Value {
  const [B, T] = counts.shape.map((size) => staticDim(size, 'samples')) as [number, number];
  const joined = (of: (rows: PolicyRows) => Value): Value => {
    const values = pieces.map(of);
    return b.reshape(values.length === 1 ? at(values, 0) : b.concat(values, 0), [B, T]);
  };
  const logStudent = joined((rows) => rows.logStudent);
  const rewards = b.mul(
    b.stopGradient(
      b.sub(
        joined((rows) => rows.logTeacher),
        logStudent,
      ),
    ),
    counts,
  );
  // [T, T], 1 where the second token comes behind the first.
  const behind = b.constant(
    float32(
      [T, T],
      Float32Array.from({ length: T * T }, (_, index) => (Math.floor(index / T) > index % T ? 1 : 0)),
    ),
  );
  const returns = b.div(b.matmul(rewards, behind), b.maximum(b.matmul(counts, behind), 1));
  const importance = b.stopGradient(
    b.exp(
      b.sub(
        logStudent,
        joined((rows) => rows.logDrawn),
      ),
    ),
  );
  const weights = b.mul(importance, counts);
  const total = b.maximum(b.reduceSum(counts, [0, 1]), 1);
  const mean = (values: Value): Value => b.div(b.reduceSum(b.mul(values, weights), [0, 1]), total);
  const long = b.neg(mean(b.mul(returns, logStudent)));
  return b.add(mean(joined((rows) => rows.divergence)), b.sub(long, b.stopGradient(long)));
}
