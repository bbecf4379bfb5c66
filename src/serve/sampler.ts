// Which token comes next: greedy or drawn, from one row of logits. No device, no request, no text.
import { AppError, at, invariant, Random, type RandomState } from '#base';
import { LogitRules, type LogitRulesOptions } from './logit-rules.ts';
import { checkSampling, type SamplingOptions } from './sampling-options.ts';
import type { BestToken } from './sequence.ts';
import { certain, drawToken, type TokenDistribution, tokenDistribution } from './token-distribution.ts';

/** What the rules look at beside the options. @default no prompt, no end */
export type SampledContext = Partial<Pick<LogitRulesOptions, 'prompt' | 'endTokens' | 'minNewTokens'>>;

/** A sampler as it can be sent to another thread. */
export interface SamplerState {
  readonly options: Required<SamplingOptions>;
  readonly random: RandomState;
  /** Empty where no rule holds, and so none will again. */
  readonly prompt: readonly number[];
  readonly generated: readonly number[];
  readonly endTokens: ReadonlySet<number>;
  readonly minNewTokens: number;
}

/**
 * Chooses the tokens of one sequence: `LogitRules` first, then `tokenDistribution`.
 *
 * Each sequence has a random state of its own, so that nobody's draws depend on who else is served.
 */
export class Sampler {
  readonly #options: Required<SamplingOptions>;
  readonly #context: Required<SampledContext>;
  readonly #rules: LogitRules;
  #random: Random;

  /** @throws AppError `invalid_argument` */
  constructor(options: SamplingOptions, { prompt = [], endTokens = new Set(), minNewTokens = 0 }: SampledContext = {}) {
    this.#options = checkSampling(options);
    this.#context = { prompt, endTokens, minNewTokens };
    this.#rules = new LogitRules({ ...this.#options, ...this.#context });
    this.#random = new Random(this.#options.seed);
  }

  /** One that chooses from now on what the other would have chosen. */
  static from({ options, random, generated, ...context }: SamplerState): Sampler {
    const sampler = new Sampler(options, context);
    sampler.follow(generated, random);
    return sampler;
  }

  get state(): SamplerState {
    const [prompt, generated] = this.#rules.hold ? [Array.from(this.#context.prompt), this.#rules.generated] : [[], []];
    return {
      options: this.#options,
      random: this.#random.state,
      prompt,
      generated,
      endTokens: this.#context.endTokens,
      // Tokens that are left out count as generated.
      minNewTokens: this.#rules.hold ? this.#context.minNewTokens : 0,
    };
  }

  get random(): Random {
    return this.#random;
  }

  /** Counts tokens that were chosen elsewhere from this one's state, and goes on from the random state that it had then. */
  follow(ids: readonly number[], random: RandomState): void {
    for (const id of ids) this.push(id);
    this.#random = new Random(random);
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
