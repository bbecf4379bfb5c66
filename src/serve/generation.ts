// One request on its way: the tokens it has, what the next logits become, and when it ends. No device, no time of its own.
import type { Clock } from '#base';
import { StopMatcher, StreamDecoder, type Tokenizer } from '#text';
import type { CheckedRequest, FinishReason, GenerationEvent, Usage } from './request.ts';
import { Sampler } from './sampler.ts';

export class Generation {
  readonly #request: CheckedRequest;
  readonly #sampler: Sampler;
  readonly #decoder: StreamDecoder;
  readonly #stops: StopMatcher;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #tokens: number[];
  #firstTokenMs: number | undefined;

  /** @throws AppError `invalid_argument` for bad sampling options or an empty stop text */
  constructor(request: CheckedRequest, tokenizer: Tokenizer, clock: Clock) {
    this.#request = request;
    this.#sampler = new Sampler(request.sampling, request.prompt);
    this.#decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: true, after: request.prompt });
    this.#stops = new StopMatcher(request.stop);
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#tokens = Array.from(request.prompt);
  }

  get promptTokens(): number {
    return this.#request.prompt.length;
  }

  /** Tokens `start … start+count-1` of prompt and answer. */
  tokens(start: number, count: number): readonly number[] {
    return this.#tokens.slice(start, start + count);
  }

  /**
   * Chooses the token after all there are.
   *
   * @param logits - [V] after the last token
   * @returns the token's event, and the last event where the generation ends with it
   * @throws AppError `bad_weights`
   */
  accept(logits: Float32Array): readonly GenerationEvent[] {
    const token = this.#sampler.choose(logits);
    this.#tokens.push(token.id);
    this.#firstTokenMs ??= this.#clock.monotonicMs() - this.#startMs;
    if (this.#request.endTokens.has(token.id)) return [{ kind: 'token', token, text: '' }, this.finish('end')];
    const { text, stop } = this.#stops.push(this.#decoder.push(token.id));
    const event: GenerationEvent = { kind: 'token', token, text };
    if (stop !== undefined) return [event, this.finish('stop')];
    return this.#numGenerated >= this.#request.maxNewTokens ? [event, this.finish('length')] : [event];
  }

  /** The last event, with the text that was held back. */
  finish(reason: FinishReason): GenerationEvent {
    const tail = this.#stops.push(this.#decoder.end());
    const stop = tail.stop ?? this.#stops.stopped;
    return {
      kind: 'finished',
      text: tail.text + this.#stops.end(),
      reason: stop === undefined || reason === 'cancelled' ? reason : 'stop',
      ...(stop === undefined ? {} : { stop }),
      usage: this.#usage(),
    };
  }

  get #numGenerated(): number {
    return this.#tokens.length - this.promptTokens;
  }

  #usage(): Usage {
    return {
      promptTokens: this.promptTokens,
      generatedTokens: this.#numGenerated,
      ...(this.#firstTokenMs === undefined ? {} : { firstTokenMs: this.#firstTokenMs }),
      totalMs: this.#clock.monotonicMs() - this.#startMs,
    };
  }
}
