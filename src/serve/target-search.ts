// Which target a model gives to one source: greedy and beam search over log probabilities. Pure; no device, no tokens of text.
import { at, invariant } from '#base';

export interface SearchSettings {
  /** Targets that are followed side by side; 1 is greedy search. */
  readonly beams: number;
  /** Largest number of tokens after the start token, the end token included. */
  readonly maxTokens: number;
  /** End tokens are not chosen before so many tokens; 0 allows them at once. */
  readonly minTokens: number;
  /** A target's score is its log probability divided by length^lengthPenalty: above 0 favours long targets. */
  readonly lengthPenalty: number;
  /**
   * When beam search ends. `true`: as soon as there are `beams` finished targets. `false`: when the best running one, at its present length,
   * is worse than all of them. `never`: only when none can become better.
   */
  readonly earlyStopping: boolean | 'never';
  /** No run of so many tokens comes twice in a target; 0 allows all. */
  readonly noRepeatNgram: number;
  readonly startToken: number;
  readonly endTokens: readonly number[];
  /** The token after the start token, where the model was trained with one (a language, for example). */
  readonly firstToken?: number;
  /** What a target that reaches `maxTokens` ends with. */
  readonly lastToken?: number;
  /** Tokens that are never chosen. */
  readonly suppressed: readonly number[];
}

/** A target that ended. */
export interface FoundTarget {
  /** After the start token; with the end token, if it came to one. */
  readonly tokens: readonly number[];
  /** log probability / length^lengthPenalty */
  readonly score: number;
}

/** A target on its way. */
export interface RunningTarget {
  /** The start token first. */
  readonly tokens: readonly number[];
  /** Natural logarithm. */
  readonly logProbability: number;
  /** Index among the targets that ran before the last step. */
  readonly parent: number;
}

/** A search for one source, driven step by step. */
export interface TargetSearch {
  /** Empty when the search is over. */
  readonly running: readonly RunningTarget[];
  /** One step. `logits` are [V] after the last token of each running target. */
  extend(logits: readonly Float32Array[]): void;
  /** Best first. Complete when nothing runs. */
  readonly found: readonly FoundTarget[];
}

export function startSearch(settings: SearchSettings): TargetSearch {
  return settings.beams === 1 ? new GreedySearch(settings) : new BeamSearch(settings);
}

function begin({ startToken }: SearchSettings): RunningTarget {
  return { tokens: [startToken], logProbability: 0, parent: 0 };
}

function scoreOf(logProbability: number, numTokens: number, { lengthPenalty }: SearchSettings): number {
  return logProbability / numTokens ** lengthPenalty;
}

/** What must follow, where the settings leave no choice. @param tokens - the start token first */
function forcedToken(tokens: readonly number[], { firstToken, lastToken, maxTokens }: SearchSettings): number | undefined {
  return tokens.length === 1 && firstToken !== undefined ? firstToken : tokens.length === maxTokens ? lastToken : undefined;
}

/** What must not follow. @param tokens - the start token first */
function* hiddenTokens(tokens: readonly number[], settings: SearchSettings): Generator<number> {
  const { noRepeatNgram, suppressed, minTokens, endTokens } = settings;
  yield* suppressed;
  if (noRepeatNgram > 0) yield* repeating(tokens, noRepeatNgram);
  if (tokens.length <= minTokens) yield* endTokens;
}

/**
 * The logits of one row as the settings allow them, for who draws tokens instead of searching: −∞ for tokens that may not follow.
 *
 * @param tokens - the start token first
 * @returns the same array where the settings hide nothing
 */
export function constrain(logits: Float32Array, tokens: readonly number[], settings: SearchSettings): Float32Array {
  const forced = forcedToken(tokens, settings);
  if (forced !== undefined) {
    const only = new Float32Array(logits.length).fill(Number.NEGATIVE_INFINITY);
    only[forced] = 0;
    return only;
  }
  const hidden = [...hiddenTokens(tokens, settings)];
  if (hidden.length === 0) return logits;
  const allowed = logits.slice();
  for (const token of hidden) allowed[token] = Number.NEGATIVE_INFINITY;
  return allowed;
}

/** log softmax of one row, with −∞ for tokens that may not follow. */
function allowedLogProbabilities(logits: Float32Array, tokens: readonly number[], settings: SearchSettings): Float64Array {
  const forced = forcedToken(tokens, settings);
  if (forced !== undefined) {
    // As certain as it is: it costs nothing.
    const only = new Float64Array(logits.length).fill(Number.NEGATIVE_INFINITY);
    only[forced] = 0;
    return only;
  }
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  const shift = largest + Math.log(total);
  const result = Float64Array.from(logits, (logit) => logit - shift);
  for (const token of hiddenTokens(tokens, settings)) result[token] = Number.NEGATIVE_INFINITY;
  return result;
}

/** The tokens that would complete an n-gram which is there already. */
function repeating(tokens: readonly number[], size: number): number[] {
  const last = tokens.slice(tokens.length - (size - 1));
  const found: number[] = [];
  for (let start = 0; start + size <= tokens.length; start++)
    if (last.every((token, index) => tokens[start + index] === token)) found.push(at(tokens, start + size - 1));
  return found;
}

class GreedySearch implements TargetSearch {
  readonly #settings: SearchSettings;
  #target: RunningTarget;
  #isOver = false;

  constructor(settings: SearchSettings) {
    this.#settings = settings;
    this.#target = begin(settings);
  }

  get running(): readonly RunningTarget[] {
    return this.#isOver ? [] : [this.#target];
  }

  extend(logits: readonly Float32Array[]): void {
    const { tokens, logProbability } = this.#target;
    const row = allowedLogProbabilities(at(logits, 0), tokens, this.#settings);
    let best = 0;
    for (let token = 1; token < row.length; token++) if (at(row, token) > at(row, best)) best = token;
    this.#target = { tokens: [...tokens, best], logProbability: logProbability + at(row, best), parent: 0 };
    this.#isOver = this.#settings.endTokens.includes(best) || tokens.length === this.#settings.maxTokens;
  }

  get found(): readonly FoundTarget[] {
    const tokens = this.#target.tokens.slice(1);
    return [{ tokens, score: scoreOf(this.#target.logProbability, tokens.length, this.#settings) }];
  }
}

/** One way on: a token after a running target. */
interface Candidate {
  readonly beam: number;
  readonly token: number;
  readonly logProbability: number;
}

/**
 * Beam search with the rules of transformers: of all continuations the best (1 + number of end tokens)·beams are looked at; those that end
 * compete as finished only if they are among the best `beams`, and the best others run on.
 */
class BeamSearch implements TargetSearch {
  readonly #settings: SearchSettings;
  #running: readonly RunningTarget[];
  #found: readonly FoundTarget[] = [];

  constructor(settings: SearchSettings) {
    this.#settings = settings;
    this.#running = [begin(settings)];
  }

  get running(): readonly RunningTarget[] {
    return this.#running;
  }

  get found(): readonly FoundTarget[] {
    return this.#found;
  }

  extend(logits: readonly Float32Array[]): void {
    const { beams, endTokens, maxTokens } = this.#settings;
    invariant(logits.length === this.#running.length, 'every running target has its logits');
    const numTokens = at(this.#running, 0).tokens.length; // of the extended targets, without the start token
    const rows = logits.map((row, beam) => allowedLogProbabilities(row, at(this.#running, beam).tokens, this.#settings));
    const candidates = this.#best(rows, Math.max(2, 1 + endTokens.length) * beams);
    const ends = ({ token }: Candidate): boolean => endTokens.includes(token) || numTokens === maxTokens;
    const finished = candidates
      .slice(0, beams)
      .filter(ends)
      .map((candidate) => ({
        tokens: [...at(this.#running, candidate.beam).tokens.slice(1), candidate.token],
        score: scoreOf(candidate.logProbability, numTokens, this.#settings),
      }));
    // Stable: what was found earlier stays in front of what is only as good.
    this.#found = [...this.#found, ...finished].sort((left, right) => right.score - left.score).slice(0, beams);
    const running = candidates
      .filter((candidate) => !ends(candidate))
      .slice(0, beams)
      .map(({ beam, token, logProbability }) => ({ tokens: [...at(this.#running, beam).tokens, token], logProbability, parent: beam }));
    this.#running = this.#isOver(running, numTokens) ? [] : running;
  }

  /** The best continuations of all running targets, best first. */
  #best(rows: readonly Float64Array[], count: number): Candidate[] {
    const best: Candidate[] = [];
    let worst = Number.NEGATIVE_INFINITY;
    for (const [beam, row] of rows.entries()) {
      const before = at(this.#running, beam).logProbability;
      for (let token = 0; token < row.length; token++) {
        const logProbability = before + at(row, token);
        if (!(logProbability > worst)) continue;
        let place = best.length;
        while (place > 0 && at(best, place - 1).logProbability < logProbability) place--;
        best.splice(place, 0, { beam, token, logProbability });
        if (best.length > count) best.pop();
        if (best.length === count) worst = at(best, count - 1).logProbability;
      }
    }
    return best;
  }

  #isOver(running: readonly RunningTarget[], numTokens: number): boolean {
    const { beams, earlyStopping, lengthPenalty, maxTokens } = this.#settings;
    const [best] = running;
    if (best === undefined || numTokens === maxTokens) return true;
    if (this.#found.length < beams) return false;
    if (earlyStopping === true) return true;
    const reachable = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : numTokens;
    return scoreOf(best.logProbability, reachable, this.#settings) <= at(this.#found, beams - 1).score;
  }
}
