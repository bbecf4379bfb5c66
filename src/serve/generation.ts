// One continuation on its way: the tokens it has, what the next logits become, and when it ends. No device, no time of its own.
import { at, type Clock, invariant, yieldToEventLoop } from '#base';
import { StopMatcher, StreamDecoder, type Tokenizer } from '#text';
import type { CheckedRequest } from './check-request.ts';
import { type RankedToken, rankToken } from './log-probabilities.ts';
import type { FinishReason, GenerationEvent, LikelyToken, TokenLogprobs, Usage } from './request.ts';
import { Sampler } from './sampler.ts';

/** Rows of a prompt's logits that are read before others have a turn. */
const rowsAtATime = 16;

export class Generation {
  /** Which of the request's continuations. */
  readonly index: number;
  readonly #request: CheckedRequest;
  readonly #tokenizer: Tokenizer;
  readonly #sampler: Sampler;
  readonly #decoder: StreamDecoder;
  readonly #stops: StopMatcher;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #tokens: number[];
  #promptLogprobs: TokenLogprobs[] | undefined;
  #queueMs: number | undefined;
  #firstTokenMs: number | undefined;
  #cachedPromptTokens = 0;

  /** Continuations after the first draw with seeds of their own, and leave the prompt's log probabilities to the first. */
  constructor(request: CheckedRequest, tokenizer: Tokenizer, clock: Clock, index = 0) {
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
    if (promptLogprobs !== undefined && index === 0)
      this.#promptLogprobs = [{ id: at(prompt, 0), text: this.#textOf(at(prompt, 0)), top: [] }];
  }

  get promptTokens(): number {
    return this.#request.prompt.length;
  }

  /** Prompt and answer. */
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
  wants(start: number, count: number): 'none' | 'last' | 'all' {
    if (this.#readsPrompt(start)) return 'all';
    return start + count >= this.#tokens.length ? 'last' : 'none';
  }

  /** Its first tokens are about to run. @param cachedPromptTokens - those of the prompt that need not */
  begin(cachedPromptTokens = 0): void {
    this.#queueMs = this.elapsedMs;
    this.#cachedPromptTokens = cachedPromptTokens;
  }

  /**
   * Takes the logits of a share of which it wanted all because it is part of the prompt.
   *
   * @param logits - [T, V] after the tokens from `start` on
   * @returns the logits [V] after the last one
   */
  async readPrompt(start: number, logits: Float32Array, numTokens: number): Promise<Float32Array> {
    const V = logits.length / numTokens;
    const row = (index: number): Float32Array => logits.subarray(index * V, (index + 1) * V);
    const { prompt, promptLogprobs = 0 } = this.#request;
    for (let index = 0; index < numTokens && start + index + 1 < prompt.length; index++) {
      const position = start + index + 1;
      // By position: a prompt that lost its place in the cache runs again.
      if (this.#promptLogprobs !== undefined)
        this.#promptLogprobs[position] = this.#logprobs(row(index), at(prompt, position), promptLogprobs);
      if (index % rowsAtATime === rowsAtATime - 1) await yieldToEventLoop();
    }
    return row(numTokens - 1);
  }

  /**
   * Chooses the token after all there are.
   *
   * @param logits - [V] after the last token
   * @returns the token's event, the prompt's before the first, and the last event where the generation ends with it
   * @throws AppError `bad_weights`
   */
  accept(logits: Float32Array): readonly GenerationEvent[] {
    const id = this.#sampler.choose(logits);
    this.#firstTokenMs ??= this.elapsedMs;
    return [...this.#promptEvent(), ...this.#extend(id, logits)];
  }

  /** The last event, with the text that was held back. */
  finish(reason: FinishReason): GenerationEvent {
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
    return this.#tokens.length - this.promptTokens;
  }

  /** The events of a chosen token. */
  #extend(id: number, logits: Float32Array): GenerationEvent[] {
    const { endTokens, logprobs, maxNewTokens } = this.#request;
    this.#tokens.push(id);
    const isEnd = endTokens.has(id);
    const { text, stop } = isEnd ? { text: '' } : this.#stops.push(this.#decoder.push(id));
    const event: GenerationEvent = {
      kind: 'token',
      index: this.index,
      token: { id },
      text,
      ...(logprobs === undefined ? {} : { logprobs: this.#logprobs(logits, id, logprobs) }),
    };
    if (isEnd) return [event, this.finish('end')];
    if (stop !== undefined) return [event, this.finish('stop')];
    return this.#numGenerated >= maxNewTokens ? [event, this.finish('length')] : [event];
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
      draftedTokens: 0,
      acceptedTokens: 0,
    };
  }
}
