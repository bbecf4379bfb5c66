// Choosing tokens from logits with the sampler of a sequence: the next ones, one that may come, or how likely given ones are.
import { invariant } from '#base';
import { rankToken, type TokenRanks } from './log-probabilities.ts';
import type { Sampler } from './sampler.ts';
import { type Proposal, verifyProposal } from './speculative.ts';
import { drawToken } from './token-distribution.ts';

/** Rows [count, V] of logits. */
export interface LogitRows {
  readonly data: Float32Array;
  readonly count: number;
}

export interface NextRequest {
  /** After the last token that is known, and after each proposal. */
  readonly rows: LogitRows;
  readonly proposals: readonly Proposal[];
  /** Likeliest tokens to name beside each; absent: no log probabilities. */
  readonly logprobs?: number;
}

export interface RankRequest {
  readonly rows: LogitRows;
  /** One a row. */
  readonly ids: readonly number[];
  /** Likeliest tokens to name beside each. */
  readonly logprobs: number;
}

export interface ChosenToken {
  readonly id: number;
  /** It was proposed. */
  readonly isAccepted: boolean;
  readonly ranks?: TokenRanks;
}

/** Who chooses. The sampler has counted and drawn what was chosen when the answer is there. */
export interface TokenChooser {
  /** Proposals that are taken, and one token more. @throws AppError `bad_weights` when logits are not numbers | `internal` */
  next(sampler: Sampler, request: NextRequest): Promise<readonly ChosenToken[]>;
  /** One token that may come next. @param rows - one. @throws AppError as `next` */
  propose(sampler: Sampler, rows: LogitRows): Promise<Proposal>;
  /** How likely given tokens are. @throws AppError `internal` */
  rank(request: RankRequest): Promise<readonly TokenRanks[]>;
}

/** On the caller's thread. */
export const chooseHere: TokenChooser = {
  next: async (sampler, request) => nextTokens(sampler, request),
  propose: async (sampler, rows) => proposeToken(sampler, rows),
  rank: async (request) => rankTokens(request),
};

/** @throws AppError `bad_weights` */
export function nextTokens(sampler: Sampler, { rows, proposals, logprobs }: NextRequest): readonly ChosenToken[] {
  invariant(rows.count === proposals.length + 1, `${rows.count} rows of logits for ${proposals.length} proposals`);
  const tokens: ChosenToken[] = [];
  for (let index = 0; index <= proposals.length; index++) {
    const logits = rowOf(rows, index);
    const distribution = sampler.distribution(logits);
    const proposal = proposals[index];
    const { random } = sampler;
    const verdict =
      proposal === undefined ? { id: drawToken(distribution, random), isAccepted: false } : verifyProposal(distribution, proposal, random);
    sampler.push(verdict.id);
    tokens.push({ ...verdict, ...(logprobs === undefined ? {} : { ranks: rankToken(logits, verdict.id, logprobs) }) });
    if (!verdict.isAccepted) break;
  }
  return tokens;
}

/** @throws AppError `bad_weights` */
export function proposeToken(sampler: Sampler, rows: LogitRows): Proposal {
  const distribution = sampler.distribution(rowOf(rows, 0));
  const id = drawToken(distribution, sampler.random);
  sampler.push(id);
  return { id, distribution };
}

export function rankTokens({ rows, ids, logprobs }: RankRequest): readonly TokenRanks[] {
  return ids.map((id, index) => rankToken(rowOf(rows, index), id, logprobs));
}

/** Some rows of many, as a view. */
export function someRows({ data, count }: LogitRows, start: number, numRows: number): LogitRows {
  const V = data.length / count;
  return { data: data.subarray(start * V, (start + numRows) * V), count: numRows };
}

/** [V] */
function rowOf(rows: LogitRows, index: number): Float32Array {
  return someRows(rows, index, 1).data;
}
