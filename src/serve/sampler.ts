// Which token comes next: greedy or drawn, from one row of logits. No device, no request, no text.
import { AppError, at, invariant, Random } from '#base';
import { LogitRules, type LogitRulesOptions } from './logit-rules.ts';
import { checkSampling, type SamplingOptions } from './sampling-options.ts';
import type { BestToken } from './sequence.ts';
import { certain, drawToken, type TokenDistribution, tokenDistribution } from './token-distribution.ts';

/** What the rules look at beside the options. @default no prompt, no end */
export type SampledContext = Partial<Pick<LogitRulesOptions, 'prompt' | 'endTokens' | 'minNewTokens'>>;

/**
 * Chooses the tokens of one sequence: `LogitRules` first, then `tokenDistribution`.
 *
 * Each sequence has a random state of its own, so that nobody's draws depend on who else is served.
 */
export class Sampler {
  readonly #options: Required<SamplingOptions>;
  readonly #rules: LogitRules;
  readonly random: Random;

  /** @throws AppError `invalid_argument` */
  constructor(options: SamplingOptions, { prompt = [], endTokens = new Set(), minNewTokens = 0 }: SampledContext = {}) {
    this.#options = checkSampling(options);
    this.#rules = new LogitRules({ ...this.#options, prompt, endTokens, minNewTokens });
    this.random = new Random(this.#options.seed);
  }

  /** Tokens that the rules count as generated. */
  get numGenerated(): number {
    return this.#rules.numGenerated;
  }

  /** Chooses a token and counts it as generated. @param logits - [V]; not changed. @throws AppError `bad_weights` when they are not numbers */
  choose(logits: Float32Array): number {
    const id = drawToken(this.distribution(logits), this.random);
    this.push(id);
    return id;
  }

  /** What the next token is drawn from. @param logits - [V]; not changed. @throws AppError `bad_weights` when they are not numbers */
  distribution(logits: Float32Array): TokenDistribution {
    const scores = this.#rules.adjust(logits);
    const top = argMax(scores);
    const largest = at(scores, top);
    checkLargest(largest);
    return this.#options.temperature === 0 ? certain(top) : tokenDistribution(scores, largest, this.#options);
  }

  /** Whether the next token is the one with the largest logit, whatever the others are. */
  get takesBest(): boolean {
    return this.#options.temperature === 0 && !this.#rules.hold;
  }

  /** Counts the token with the largest logit as generated, where that is the one. @throws AppError `bad_weights` */
  chooseBest({ id, logit }: BestToken): number {
    invariant(this.takesBest, 'the next token depends on all logits');
    checkLargest(logit);
    this.push(id);
    return id;
  }

  /** Counts a token as generated. */
  push(id: number): void {
    this.#rules.push(id);
  }

  /** Forgets the tokens generated after the first `numGenerated`; the random state stays. */
  rewind(numGenerated: number): void {
    this.#rules.rewind(numGenerated);
  }
}

function checkLargest(logit: number): void {
  if (!Number.isFinite(logit)) throw new AppError('bad_weights', `the model's logits have no finite largest one, but ${logit}.`);
}

/** The first of the largest; NaN wins over nothing, so a row of NaN answers 0. */
function argMax(values: Float32Array): number {
  let best = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? largest;
    if (value > largest) {
      best = index;
      largest = value;
    }
  }
  return best;
}
