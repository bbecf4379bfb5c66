// Whether a proposed token is taken: the rule that keeps the target's distribution whatever proposes. Pure.
import type { Random } from '#base';
import { drawToken, probabilityOf, type TokenDistribution } from './token-distribution.ts';

/** A token and what it was drawn from. */
export interface Proposal {
  readonly id: number;
  readonly distribution: TokenDistribution;
}

/** The token that comes next. */
export interface Verdict {
  readonly id: number;
  /** It is the proposed one. */
  readonly isAccepted: boolean;
}

/**
 * Takes the proposed token x with probability min(1, p(x)/q(x)), else draws from what p has more than q: together that is a draw from p.
 *
 * Where both are certain of one token, that is greedy search: taken when they agree, else the target's token.
 *
 * @param target - p; the same rules and filters made it and q
 * @see Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding", ICML 2023, §2.3; Chen et al.,
 * "Accelerating Large Language Model Decoding with Speculative Sampling", 2023
 */
export function verifyProposal(target: TokenDistribution, { id, distribution }: Proposal, random: Random): Verdict {
  const isAccepted = random.uniform() * probabilityOf(distribution, id) < probabilityOf(target, id);
  return isAccepted ? { id, isAccepted } : { id: drawToken(excess(target, distribution), random), isAccepted };
}

/** max(0, p − q), up to a factor; p itself where rounding leaves nothing. */
function excess(target: TokenDistribution, draft: TokenDistribution): TokenDistribution {
  const { ids } = target;
  let total = 0;
  const weights = target.weights.map((weight, index) => {
    const share = Math.max(0, weight / target.total - probabilityOf(draft, ids?.[index] ?? index));
    total += share;
    return share;
  });
  return total > 0 ? { ...target, weights, total } : target;
}
