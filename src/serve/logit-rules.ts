// What a request changes in a model's logits before a token is chosen: bias, penalties, and ends that may not come yet.
import { at } from '#base';
import type { SamplingOptions } from './sampling-options.ts';

export interface LogitRulesOptions
  extends Pick<Required<SamplingOptions>, 'repetitionPenalty' | 'frequencyPenalty' | 'presencePenalty' | 'logitBias'> {
  /** Its tokens are penalized as repetitions; frequency and presence count what was generated only. */
  readonly prompt: ArrayLike<number>;
  /** Tokens that cannot come among the first `minNewTokens`. */
  readonly endTokens: ReadonlySet<number>;
  readonly minNewTokens: number;
}

/**
 * The rules of one sequence and the tokens they look back on.
 *
 * Their order is that of transformers and, for the two penalties that it does not have, of vLLM: bias, repetition, frequency and
 * presence, ends. Time and again only few logits change: the cost is one copy of the row.
 *
 * @see Keskar et al., "CTRL", 2019, §4.1 (repetition penalty); frequency and presence as the OpenAI API defines them.
 */
export class LogitRules {
  readonly #options: LogitRulesOptions;
  readonly #prompt: ReadonlySet<number>;
  readonly #generated: number[] = [];
  /** How often each token was generated. */
  readonly #counts = new Map<number, number>();
  #scores = new Float32Array(0);

  constructor(options: LogitRulesOptions) {
    this.#options = options;
    this.#prompt = new Set(options.repetitionPenalty === 1 ? [] : Array.from(options.prompt));
  }

  get generated(): readonly number[] {
    return this.#generated;
  }

  get numGenerated(): number {
    return this.#generated.length;
  }

  /** A token was generated. */
  push(id: number): void {
    this.#generated.push(id);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  /** Forgets the tokens generated after the first `numGenerated`. */
  rewind(numGenerated: number): void {
    for (const id of this.#generated.splice(numGenerated)) {
      const count = (this.#counts.get(id) ?? 0) - 1;
      if (count > 0) this.#counts.set(id, count);
      else this.#counts.delete(id);
    }
  }

  /** Whether a rule changes what comes next. */
  get hold(): boolean {
    const { logitBias, repetitionPenalty, minNewTokens } = this.#options;
    return logitBias.size > 0 || repetitionPenalty !== 1 || this.#counted || this.numGenerated < minNewTokens;
  }

  get #counted(): boolean {
    return this.#options.frequencyPenalty !== 0 || this.#options.presencePenalty !== 0;
  }

  /** Scores [V] from logits [V]: the logits themselves where no rule holds now, else an array that the next call writes again. */
  adjust(logits: Float32Array): Float32Array {
    const { logitBias, repetitionPenalty, frequencyPenalty, presencePenalty, endTokens, minNewTokens } = this.#options;
    if (!this.hold) return logits;
    const mayEnd = this.numGenerated >= minNewTokens;
    if (this.#scores.length !== logits.length) this.#scores = new Float32Array(logits.length);
    const scores = this.#scores;
    scores.set(logits);
    for (const [id, bias] of logitBias) scores[id] = at(scores, id) + bias;
    if (repetitionPenalty !== 1) this.#penalizeRepetitions(scores, repetitionPenalty);
    if (this.#counted) for (const [id, count] of this.#counts) scores[id] = at(scores, id) - count * frequencyPenalty - presencePenalty;
    if (!mayEnd) for (const id of endTokens) scores[id] = Number.NEGATIVE_INFINITY;
    return scores;
  }

  #penalizeRepetitions(scores: Float32Array, penalty: number): void {
    const penalize = (id: number): void => {
      const score = at(scores, id);
      scores[id] = score > 0 ? score / penalty : score * penalty;
    };
    for (const id of this.#prompt) penalize(id);
    for (const id of this.#counts.keys()) if (!this.#prompt.has(id)) penalize(id);
  }
}
