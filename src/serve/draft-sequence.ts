// A few tokens that a draft model proposes: a short sequence in its own batcher.
import { at, invariant } from '#base';
import { chooseHere, type TokenChooser } from './choice.ts';
import type { Sampler } from './sampler.ts';
import type { Outcome, RanTokens, Sequence, WantedLogits } from './sequence.ts';
import type { Proposal } from './speculative.ts';

export interface DraftRequest {
  /** All there are. */
  readonly tokens: readonly number[];
  /** Tokens to propose, at least 1. */
  readonly count: number;
  /** Draws the proposals; afterwards it is as if it had not, but for its random state. */
  readonly sampler: Sampler;
  /** @default on this thread */
  readonly chooser?: TokenChooser;
}

/** Fewer than asked for where the signal of `submit` fires. @throws AppError as `Batcher.submit`, and what its sequences fail with */
export async function proposeTokens(
  submit: (sequence: Sequence<Proposal>) => AsyncIterable<Proposal>,
  request: DraftRequest,
): Promise<readonly Proposal[]> {
  const { sampler } = request;
  const { numGenerated } = sampler;
  const proposals: Proposal[] = [];
  try {
    for await (const proposal of submit(new DraftSequence(request))) proposals.push(proposal);
    return proposals;
  } finally {
    sampler.rewind(numGenerated);
  }
}

/**
 * Proposes the tokens after those that are known. Each proposal is a sequence of its own: what the last one ran lies in the cache still, so that
 * mostly one or two tokens run before the first proposal, and nothing has to be kept for a draft that is not at work.
 *
 * It draws with the sampler of the generation that it drafts for, so with the same rules, filters and random state.
 */
class DraftSequence implements Sequence<Proposal> {
  /** First of all: somebody has a place elsewhere while it waits. */
  readonly priority = Number.MIN_SAFE_INTEGER;
  readonly queueTimeoutMs = undefined;
  readonly readsPrompt = false;
  readonly elapsedMs = 0;
  readonly maxTokens: number;
  readonly #tokens: number[];
  readonly #sampler: Sampler;
  readonly #chooser: TokenChooser;

  constructor({ tokens, count, sampler, chooser = chooseHere }: DraftRequest) {
    this.#tokens = [...tokens];
    this.#sampler = sampler;
    this.#chooser = chooser;
    this.maxTokens = tokens.length + count;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  begin(): void {
    // Nobody asks when.
  }

  wants(start: number, count: number): WantedLogits {
    return start + count >= this.#tokens.length ? 'last' : 'none';
  }

  async accept({ result }: RanTokens): Promise<Outcome<Proposal>> {
    invariant(result instanceof Float32Array, 'a draft wants all logits');
    const numKept = this.#tokens.length;
    const proposal = await this.#chooser.propose(this.#sampler, { data: result, count: 1 });
    this.#tokens.push(proposal.id);
    return { events: [proposal], isEnd: this.#tokens.length === this.maxTokens, numKept, next: [at(this.#tokens, numKept)] };
  }

  finish(): readonly Proposal[] {
    return [];
  }

  left(): void {
    // It holds nothing.
  }
}
