// One continuation on its way: the tokens it has, what the next logits become, and when it ends. No device, no time of its own.
import { AppError, at, type Clock, invariant, yieldToEventLoop } from '#base';
import { StopMatcher, StreamDecoder, type Tokenizer } from '#text';
import type { CheckedRequest } from './check-request.ts';
import { type ChosenToken, chooseHere, type LogitRows, type NextRequest, nextTokens, someRows, type TokenChooser } from './choice.ts';
import type { RankedToken, TokenRanks } from './log-probabilities.ts';
import type { FinishReason, GenerationEvent, LikelyToken, TokenLogprobs, Usage } from './request.ts';
import { Sampler } from './sampler.ts';
import type { Outcome, RanTokens, Sequence, WantedLogits } from './sequence.ts';
import type { Proposal } from './speculative.ts';

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
  /** @default on this thread */
  readonly chooser?: TokenChooser;
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
  readonly #chooser: TokenChooser;
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
  constructor(
    request: CheckedRequest,
    tokenizer: Tokenizer,
    clock: Clock,
    { index = 0, drafter, chooser = chooseHere }: GenerationOptions = {},
  ) {
    const { sampling, prompt, stop, promptLogprobs } = request;
    this.index = index;
    this.#request = request;
    this.#tokenizer = tokenizer;
    this.#sampler = new Sampler({ ...sampling, seed: sampling.seed + index }, request);
    this.#chooser = chooser;
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
    const rows = { data: result, count: this.wants(start, numTokens) === 'all' ? numTokens : 1 };
    if (this.#readsPrompt(start)) await this.#readPrompt(start, rows);
    if (!isComplete) return undefined;
    const tokens = await this.#chooser.next(this.#sampler, this.#choice(rows));
    this.#firstTokenMs ??= this.elapsedMs;
    return this.#outcome([...this.#promptEvent(), ...this.#take(tokens)]);
  }

  #outcome(events: readonly GenerationEvent[]): Outcome<GenerationEvent> {
    const isEnd = events.at(-1)?.kind === 'finished';
    return { events, isEnd, numKept: this.#tokens.length - 1, next: isEnd ? [] : this.#next() };
  }

  /** For who runs the tokens without a batcher: the events of the token that follows all there are. @param logits - [V] */
  continueWith(logits: Float32Array): readonly GenerationEvent[] {
    this.#firstTokenMs ??= this.elapsedMs;
    return this.#take(nextTokens(this.#sampler, this.#choice({ data: logits, count: 1 })));
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
    const count = Math.min(rows.count, prompt.length - start - 1);
    for (let first = 0; first < count; first += rowsAtATime) {
      const numRows = Math.min(rowsAtATime, count - first);
      const ids = Array.from({ length: numRows }, (_, index) => at(prompt, start + first + index + 1));
      const ranks = await this.#chooser.rank({ rows: someRows(rows, first, numRows), ids, logprobs: promptLogprobs });
      // By position: a prompt that lost its place in the cache runs again.
      for (const [index, each] of ranks.entries())
        if (this.#promptLogprobs !== undefined) this.#promptLogprobs[start + first + index + 1] = this.#named(each);
      await yieldToEventLoop();
    }
  }

  /** What comes after all that are committed. The last rows are those after the last committed token and after each proposal. */
  #choice(rows: LogitRows): NextRequest {
    const { logprobs } = this.#request;
    const count = this.#proposals.length + 1;
    return {
      rows: someRows(rows, rows.count - count, count),
      proposals: this.#proposals,
      ...(logprobs === undefined ? {} : { logprobs }),
    };
  }

  /** Commits tokens: one, and before it the proposals that were taken. */
  #take(chosen: readonly ChosenToken[]): GenerationEvent[] {
    this.#tokens.length -= this.#proposals.length;
    this.#proposals = [];
    const events: GenerationEvent[] = [];
    for (const { id, isAccepted, ranks } of chosen) {
      if (isAccepted) this.#acceptedTokens += 1;
      events.push(...this.#commit(id, ranks));
      if (events.at(-1)?.kind === 'finished') break;
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

  /** The events of a chosen token. @param ranks - where its log probability is wanted */
  #commit(id: number, ranks?: TokenRanks): GenerationEvent[] {
    const { endTokens, maxNewTokens } = this.#request;
    this.#tokens.push(id);
    const isEnd = endTokens.has(id);
    const { text, stop } = isEnd ? { text: '' } : this.#stops.push(this.#decoder.push(id));
    const event: GenerationEvent = {
      kind: 'token',
      index: this.index,
      token: { id },
      text,
      ...(ranks === undefined ? {} : { logprobs: this.#named(ranks) }),
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

  #named({ top, ...token }: TokenRanks): TokenLogprobs {
    const named = (ranked: RankedToken): LikelyToken => ({ ...ranked, text: this.#textOf(ranked.id) });
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
