// One continuation on its way: the tokens it has, what the next logits become, and when it ends. No device, no time of its own.
import { AppError, at, type Clock, invariant, yieldToEventLoop } from '#base';
import { StopMatcher, StreamDecoder, type Tokenizer } from '#text';
import type { CheckedRequest } from './check-request.ts';
import { type RankedToken, rankToken } from './log-probabilities.ts';
import type { FinishReason, GenerationEvent, LikelyToken, TokenLogprobs, Usage } from './request.ts';
import { Sampler } from './sampler.ts';
import type { Outcome, RanTokens, Sequence, WantedLogits } from './sequence.ts';
import { type Proposal, verifyProposal } from './speculative.ts';
import { drawToken } from './token-distribution.ts';

/** Rows of a prompt's logits that are read before others have a turn. */
const rowsAtATime = 16;

/** Finds tokens that may come next. */
export interface Drafter {
  /**
   * @param tokens - all there are
   * @param sampler - draws the proposals; afterwards it is as if it had not, but for its random state
   * @returns at most `count`
   */
  propose(tokens: readonly number[], count: number, sampler: Sampler, signal: AbortSignal): Promise<readonly Proposal[]>;
}

export interface GenerationOptions {
  /** Which of the request's continuations. @default 0 */
  readonly index?: number;
  /** @default tokens come one by one */
  readonly drafter?: Drafter;
}

/**
 * Tokens are committed (the prompt, and what was chosen; events tell of them) or proposed; proposed ones are only there while they run. With a
 * drafter the last committed token and the proposals behind it run together, and the logits after each decide about the next.
 */
export class Generation implements Sequence<GenerationEvent> {
  /** Which of the request's continuations. */
  readonly index: number;
  readonly #request: CheckedRequest;
  readonly #tokenizer: Tokenizer;
  readonly #sampler: Sampler;
  readonly #decoder: StreamDecoder;
  readonly #stops: StopMatcher;
  readonly #clock: Clock;
  readonly #startMs: number;
  /** Committed and proposed. */
  readonly #tokens: number[];
  /** Of the last tokens. */
  #proposals: readonly Proposal[] = [];
  #drafter: Drafter | undefined;
  readonly #stopDrafting = new AbortController();
  #draftedTokens = 0;
  #acceptedTokens = 0;
  #promptLogprobs: TokenLogprobs[] | undefined;
  #queueMs: number | undefined;
  #firstTokenMs: number | undefined;
  #cachedPromptTokens = 0;

  /** Continuations after the first draw with seeds of their own, and leave the prompt's log probabilities to the first. */
  constructor(request: CheckedRequest, tokenizer: Tokenizer, clock: Clock, { index = 0, drafter }: GenerationOptions = {}) {
    const { sampling, prompt, stop, promptLogprobs } = request;
    this.index = index;
    this.#request = request;
    this.#tokenizer = tokenizer;
    this.#sampler = new Sampler({ ...sampling, seed: sampling.seed + index }, request);
    this.#decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: true, after: prompt });
    this.#stops = new StopMatcher(stop);
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#tokens = Array.from(prompt);
    this.#drafter = drafter;
    if (promptLogprobs !== undefined && index === 0)
      this.#promptLogprobs = [{ id: at(prompt, 0), text: this.#textOf(at(prompt, 0)), top: [] }];
  }

  get promptTokens(): number {
    return this.#request.prompt.length;
  }

  /** Prompt, answer and proposals. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Most that prompt and answer may come to. */
  get maxTokens(): number {
    return this.promptTokens + this.#request.maxNewTokens;
  }

  get priority(): number {
    return this.#request.priority;
  }

  get queueTimeoutMs(): number | undefined {
    return this.#request.queueTimeoutMs;
  }

  /** Whether every token of the prompt must run, because its log probabilities are wanted. */
  get readsPrompt(): boolean {
    return this.#promptLogprobs !== undefined;
  }

  /** Since it was made. */
  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  /** Which logits it needs of these tokens. All of a prompt's are needed where their log probabilities are: it cannot come from a cache. */
  wants(start: number, count: number): WantedLogits {
    if (this.#readsPrompt(start)) return 'all';
    if (start + count < this.#tokens.length) return 'none';
    if (this.#proposals.length > 0) return 'all';
    return this.#request.logprobs === undefined && this.#sampler.takesBest ? 'best' : 'last';
  }

  /** Its first tokens are about to run. @param cachedPromptTokens - those of the prompt that need not */
  begin(cachedPromptTokens = 0): void {
    this.#queueMs = this.elapsedMs;
    this.#cachedPromptTokens = cachedPromptTokens;
  }

  async accept({ start, numTokens, result, isComplete }: RanTokens): Promise<Outcome<GenerationEvent> | undefined> {
    if (!(result instanceof Float32Array)) {
      this.#firstTokenMs ??= this.elapsedMs;
      return this.#outcome(this.#commit(this.#sampler.chooseBest(result)));
    }
    const rows = new LogitRows(result, this.wants(start, numTokens) === 'all' ? numTokens : 1);
    if (this.#readsPrompt(start)) await this.#readPrompt(start, rows);
    if (!isComplete) return undefined;
    this.#firstTokenMs ??= this.elapsedMs;
    return this.#outcome([...this.#promptEvent(), ...this.#choose(rows)]);
  }

  #outcome(events: readonly GenerationEvent[]): Outcome<GenerationEvent> {
    const isEnd = events.at(-1)?.kind === 'finished';
    return { events, isEnd, numKept: this.#tokens.length - 1, next: isEnd ? [] : this.#next() };
  }

  /** For who runs the tokens without a batcher: the events of the token that follows all there are. @param logits - [V] */
  continueWith(logits: Float32Array): readonly GenerationEvent[] {
    this.#firstTokenMs ??= this.elapsedMs;
    return this.#choose(new LogitRows(logits, 1));
  }

  finish(reason: FinishReason): readonly GenerationEvent[] {
    return [this.#finished(reason)];
  }

  left(): void {
    this.#stopDrafting.abort();
  }

  /** The last event, with the text that was held back. */
  #finished(reason: FinishReason): GenerationEvent {
    const tail = this.#stops.push(this.#decoder.end());
    const stop = tail.stop ?? this.#stops.stopped;
    return {
      kind: 'finished',
      index: this.index,
      text: tail.text + this.#stops.end(),
      reason: stop === undefined || reason === 'cancelled' ? reason : 'stop',
      ...(stop === undefined ? {} : { stop }),
      usage: this.#usage(),
    };
  }

  get #numGenerated(): number {
    return this.#tokens.length - this.#proposals.length - this.promptTokens;
  }

  /** Log probabilities of the tokens after those from `start` on, as far as they are the prompt's. */
  async #readPrompt(start: number, rows: LogitRows): Promise<void> {
    const { prompt, promptLogprobs = 0 } = this.#request;
    for (let index = 0; index < rows.count && start + index + 1 < prompt.length; index++) {
      const position = start + index + 1;
      // By position: a prompt that lost its place in the cache runs again.
      if (this.#promptLogprobs !== undefined)
        this.#promptLogprobs[position] = this.#logprobs(rows.row(index), at(prompt, position), promptLogprobs);
      if (index % rowsAtATime === rowsAtATime - 1) await yieldToEventLoop();
    }
  }

  /**
   * The tokens after all that are committed: one, and before it the proposals that are taken. The last rows are those after the last committed
   * token and after each proposal.
   */
  #choose(rows: LogitRows): GenerationEvent[] {
    const proposals = this.#proposals;
    this.#proposals = [];
    this.#tokens.length -= proposals.length;
    const events: GenerationEvent[] = [];
    for (let index = 0; index <= proposals.length; index++) {
      const logits = rows.row(rows.count - 1 - proposals.length + index);
      const distribution = this.#sampler.distribution(logits);
      const proposal = proposals[index];
      const { random } = this.#sampler;
      const verdict =
        proposal === undefined
          ? { id: drawToken(distribution, random), isAccepted: false }
          : verifyProposal(distribution, proposal, random);
      this.#sampler.push(verdict.id);
      if (verdict.isAccepted) this.#acceptedTokens += 1;
      events.push(...this.#commit(verdict.id, logits));
      if (!verdict.isAccepted || events.at(-1)?.kind === 'finished') break;
    }
    return events;
  }

  /** What runs next: the last token, and what is proposed behind it. */
  #next(): readonly number[] | Promise<readonly number[]> {
    const last = this.#tokens.slice(-1);
    // After n proposals that are taken comes one token more.
    const count = Math.min(this.#request.draftTokens, this.#request.maxNewTokens - this.#numGenerated - 1);
    if (this.#drafter === undefined || count < 1) return last;
    return this.#draft(this.#drafter, count).then((proposals) => {
      this.#proposals = proposals;
      this.#draftedTokens += proposals.length;
      for (const { id } of proposals) this.#tokens.push(id);
      return [...last, ...proposals.map(({ id }) => id)];
    });
  }

  async #draft(drafter: Drafter, count: number): Promise<readonly Proposal[]> {
    try {
      return await drafter.propose(this.#tokens, count, this.#sampler, this.#stopDrafting.signal);
    } catch (thrown) {
      // A draft only makes it faster: it goes on without.
      if (!(thrown instanceof AppError)) throw thrown;
      this.#drafter = undefined;
      return [];
    }
  }

  /** The events of a chosen token. @param logits - [V] that it was chosen by, where its log probability may be wanted */
  #commit(id: number, logits?: Float32Array): GenerationEvent[] {
    const { endTokens, logprobs, maxNewTokens } = this.#request;
    this.#tokens.push(id);
    const isEnd = endTokens.has(id);
    const { text, stop } = isEnd ? { text: '' } : this.#stops.push(this.#decoder.push(id));
    const event: GenerationEvent = {
      kind: 'token',
      index: this.index,
      token: { id },
      text,
      ...(logprobs === undefined || logits === undefined ? {} : { logprobs: this.#logprobs(logits, id, logprobs) }),
    };
    if (isEnd) return [event, this.#finished('end')];
    if (stop !== undefined) return [event, this.#finished('stop')];
    return this.#numGenerated >= maxNewTokens ? [event, this.#finished('length')] : [event];
  }

  #readsPrompt(start: number): boolean {
    return this.#promptLogprobs !== undefined && start < this.promptTokens;
  }

  #promptEvent(): GenerationEvent[] {
    const logprobs = this.#promptLogprobs;
    if (logprobs === undefined) return [];
    invariant(logprobs.length === this.promptTokens, `${logprobs.length} of ${this.promptTokens} tokens of a prompt were read`);
    this.#promptLogprobs = undefined;
    return [{ kind: 'prompt', text: '', logprobs }];
  }

  #logprobs(logits: Float32Array, id: number, numTop: number): TokenLogprobs {
    const named = (token: RankedToken): LikelyToken => ({ ...token, text: this.#textOf(token.id) });
    const { top, ...token } = rankToken(logits, id, numTop);
    return { ...named(token), top: top.map(named) };
  }

  #textOf(id: number): string {
    return this.#tokenizer.decode([id], { skipSpecialTokens: false });
  }

  #usage(): Usage {
    return {
      promptTokens: this.promptTokens,
      generatedTokens: this.#numGenerated,
      ...(this.#queueMs === undefined ? {} : { queueMs: this.#queueMs }),
      ...(this.#firstTokenMs === undefined ? {} : { firstTokenMs: this.#firstTokenMs }),
      totalMs: this.elapsedMs,
      cachedPromptTokens: this.#cachedPromptTokens,
      draftedTokens: this.#draftedTokens,
      acceptedTokens: this.#acceptedTokens,
    };
  }
}

/** Rows [V] of logits [count, V]. */
class LogitRows {
  readonly count: number;
  readonly #data: Float32Array;

  constructor(data: Float32Array, count: number) {
    this.#data = data;
    this.count = count;
  }

  row(index: number): Float32Array {
    const V = this.#data.length / this.count;
    return this.#data.subarray(index * V, (index + 1) * V);
  }
}
