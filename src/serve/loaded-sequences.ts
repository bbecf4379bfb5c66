// An encoder-decoder that is ready to generate: sources in, targets out as events, token by token or, from a beam search, when complete.
import { AppError, at, type Clock, systemClock } from '#base';
import type { Engine } from '#engine';
import { type EncoderDecoderConfig, encoderDecoderConfig, type Model } from '#models';
import { StopMatcher, StreamDecoder, type Tokenizer } from '#text';
import { Ranking } from './continuations.ts';
import { EventQueue } from './event-queue.ts';
import { type SequenceDriver, SequenceGenerator, searchDriver } from './generate-sequences.ts';
import { Generation } from './generation.ts';
import type { GenerationEvent, GenerationRequest } from './request.ts';
import { checkSequenceRequest, type SequenceRequest, type TargetDefaults } from './sequence-request.ts';
import { SlotGate } from './slot-gate.ts';
import { constrain, type FoundTarget, startSearch } from './target-search.ts';

export interface SequenceOptions {
  /** Of the targets, and of the sources where they have no other. */
  readonly tokenizer: Tokenizer;
  readonly sourceTokenizer?: Tokenizer;
  /** For messages. @default 'model' */
  readonly name?: string;
  /** What the checkpoint says of its targets. */
  readonly defaults?: TargetDefaults;
  /** Requests that are worked on at the same time; more wait. @default 4 */
  readonly slots?: number;
  readonly clock?: Clock;
}

const defaultSlots = 4;

/**
 * States: loaded → unloading (new requests are refused, those under way end) → unloaded.
 *
 * Limit: every request runs by itself, its continuations or beams side by side.
 */
export class LoadedSequences {
  readonly name: string;
  readonly config: EncoderDecoderConfig;
  readonly #options: SequenceOptions;
  readonly #generator: SequenceGenerator;
  readonly #slots: SlotGate;
  readonly #clock: Clock;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #unloaded: Promise<void> | undefined;

  private constructor(config: EncoderDecoderConfig, generator: SequenceGenerator, options: SequenceOptions) {
    const { name = 'model', slots = defaultSlots, clock = systemClock } = options;
    this.name = name;
    this.config = config;
    this.#options = options;
    this.#generator = generator;
    this.#slots = new SlotGate(slots);
    this.#clock = clock;
  }

  /** @throws AppError `unsupported` for a model without an encoder | `tokenizer_mismatch` | `engine_failure` | `out_of_memory` */
  static async load(engine: Engine, model: Model, options: SequenceOptions): Promise<LoadedSequences> {
    const config = encoderDecoderConfig(model);
    const { tokenizer, sourceTokenizer = tokenizer, name = 'model' } = options;
    const { vocabularySize, sourceVocabularySize = vocabularySize } = config;
    const check = (what: string, { vocabularySize: ids }: Tokenizer, rows: number): void => {
      if (ids <= rows) return;
      const problem = `the tokenizer of the ${what} has ids up to ${ids - 1}, the embedding has ${rows} rows`;
      throw new AppError('tokenizer_mismatch', `model "${name}": ${problem}. Use the one that the model was trained with.`);
    };
    check('targets', tokenizer, vocabularySize);
    check('sources', sourceTokenizer, sourceVocabularySize);
    return new LoadedSequences(config, await SequenceGenerator.create(engine, model), options);
  }

  get weightBytes(): number {
    return this.#generator.weightBytes;
  }

  /** Requests that are worked on, and that wait. */
  get gauges(): { readonly active: number; readonly waiting: number } {
    return { active: this.#running.size - this.#slots.waiting, waiting: this.#slots.waiting };
  }

  /**
   * The target of a source, as `LoadedModel.generate` answers continuations. With `numBeams` above 1 the `n` best of a beam search, the best first,
   * each once it is complete. Aborting the signal ends with reason `cancelled`; leaving the loop does so unheard.
   *
   * @throws AppError at the call: `invalid_argument` | `context_too_long` | `unsupported` | `unavailable`; while iterating: `unavailable` (unloaded) |
   * `overloaded` | `bad_weights` | `out_of_memory` | `engine_failure`
   */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterableIterator<GenerationEvent> {
    if (this.#unloaded !== undefined) throw this.#leaving();
    const { tokenizer, sourceTokenizer = tokenizer, defaults = {} } = this.#options;
    const checked = checkSequenceRequest(request, { config: this.config, tokenizer, sourceTokenizer, defaults });
    const left = new AbortController();
    const events = new EventQueue<GenerationEvent>(() => left.abort());
    const serving = this.#serve(checked, events, signal, AbortSignal.any([signal, left.signal, this.#stop.signal]));
    this.#running.add(serving);
    void serving.finally(() => this.#running.delete(serving));
    return events;
  }

  /** Ends what is under way with `unavailable` and frees everything. Safe to call twice. */
  unload(): Promise<void> {
    this.#unloaded ??= this.#close();
    return this.#unloaded;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    await this.#generator.dispose();
  }

  #leaving(): AppError {
    return new AppError('unavailable', `model "${this.name}": is being unloaded. Load it again.`);
  }

  /** Never rejects. */
  async #serve(checked: SequenceRequest, events: EventQueue<GenerationEvent>, signal: AbortSignal, stop: AbortSignal): Promise<void> {
    const work: TargetWork =
      checked.search.beams > 1 ? new BeamWork(checked, this.#options.tokenizer, this.#clock) : this.#drawing(checked, events);
    try {
      const { priority, queueTimeoutMs } = checked.target;
      await this.#slots.enter({ signal: stop, priority, ...(queueTimeoutMs === undefined ? {} : { timeoutMs: queueTimeoutMs }) });
      try {
        work.begin();
        await this.#generator.decode([checked.source], checked.search.maxTokens, work.driver, stop);
      } finally {
        this.#slots.leave();
      }
      for (const event of work.end()) events.push(event);
      events.end();
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (this.#stop.signal.aborted) events.fail(this.#leaving());
      else if (signal.aborted && error.code === 'cancelled') {
        for (const event of work.cancel()) events.push(event);
        events.end();
      } else events.fail(error);
    }
  }

  #drawing(checked: SequenceRequest, events: EventQueue<GenerationEvent>): DrawnWork {
    return new DrawnWork(checked, this.#options.tokenizer, this.#clock, (event) => events.push(event));
  }
}

/** One request: what runs, and what its events are. */
interface TargetWork {
  readonly driver: SequenceDriver;
  /** It has a place now. */
  begin(): void;
  /** What is left to tell when all has run. */
  end(): readonly GenerationEvent[];
  /** What there is to tell when it was cancelled. */
  cancel(): readonly GenerationEvent[];
}

function withSource(event: GenerationEvent, promptTokens: number): GenerationEvent {
  return event.kind === 'finished' ? { ...event, usage: { ...event.usage, promptTokens } } : event;
}

/** Greedy or drawn targets, several side by side where more than one is asked for. */
class DrawnWork implements TargetWork {
  readonly driver: SequenceDriver;
  readonly #source: Int32Array;
  readonly #targets: { readonly generation: Generation; readonly tokens: number[]; isOver: boolean }[];
  readonly #ranking: Ranking | undefined;
  readonly #push: (event: GenerationEvent) => void;

  constructor({ source, target, search }: SequenceRequest, tokenizer: Tokenizer, clock: Clock, push: (event: GenerationEvent) => void) {
    const { n, bestOf, logprobs } = target;
    this.#source = source;
    this.#push = push;
    // The best are found by their log probabilities.
    const needed = bestOf > n ? { ...target, logprobs: logprobs ?? 0 } : target;
    this.#ranking = bestOf > n ? new Ranking({ n, bestOf, showsLogprobs: logprobs !== undefined }) : undefined;
    const begin = (index: number) => ({
      generation: new Generation(needed, tokenizer, clock, { index }),
      tokens: [search.startToken],
      isOver: false,
    });
    this.#targets = Array.from({ length: bestOf }, (_, index) => begin(index));
    this.driver = {
      sequences: bestOf,
      next: () => {
        if (this.#targets.every(({ isOver }) => isOver)) return undefined;
        return this.#targets.map(({ tokens }, row) => ({ token: at(tokens, tokens.length - 1), parent: row }));
      },
      take: (logits) => {
        for (const [row, each] of this.#targets.entries()) {
          if (each.isOver) continue;
          for (const event of each.generation.continueWith(constrain(logits(row), each.tokens, search))) {
            if (event.kind === 'token') each.tokens.push(event.token.id);
            else each.isOver = true;
            this.#tell(event);
          }
        }
      },
    };
  }

  begin(): void {
    for (const { generation } of this.#targets) generation.begin();
  }

  end(): readonly GenerationEvent[] {
    return this.#ranking?.best().map((event) => withSource(event, this.#source.length)) ?? [];
  }

  cancel(): readonly GenerationEvent[] {
    const running = this.#targets.filter(({ isOver }) => !isOver);
    return running.flatMap(({ generation }) => generation.finish('cancelled')).map((event) => withSource(event, this.#source.length));
  }

  #tell(event: GenerationEvent): void {
    if (this.#ranking === undefined) this.#push(withSource(event, this.#source.length));
    else if (event.kind !== 'prompt') this.#ranking.add(event);
  }
}

/** The best targets of a beam search. */
class BeamWork implements TargetWork {
  readonly driver: SequenceDriver;
  readonly #request: SequenceRequest;
  readonly #tokenizer: Tokenizer;
  readonly #search: ReturnType<typeof startSearch>;
  readonly #clock: Clock;
  readonly #startMs: number;
  #queueMs: number | undefined;

  constructor(request: SequenceRequest, tokenizer: Tokenizer, clock: Clock) {
    this.#request = request;
    this.#tokenizer = tokenizer;
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#search = startSearch(request.search);
    this.driver = searchDriver([this.#search], request.search);
  }

  begin(): void {
    this.#queueMs = this.#clock.monotonicMs() - this.#startMs;
  }

  end(): readonly GenerationEvent[] {
    return this.#search.found.slice(0, this.#request.target.n).flatMap((found, index) => this.#eventsOf(found, index));
  }

  cancel(): readonly GenerationEvent[] {
    return Array.from({ length: this.#request.target.n }, (_, index) => this.#finished(index, 0, 'cancelled', ''));
  }

  #eventsOf({ tokens }: FoundTarget, index: number): GenerationEvent[] {
    const { stop, endTokens } = this.#request.target;
    const decoder = new StreamDecoder(this.#tokenizer, { skipSpecialTokens: true });
    const stops = new StopMatcher(stop);
    const events: GenerationEvent[] = [];
    for (const [place, id] of tokens.entries()) {
      const isEnd = endTokens.has(id);
      const found = isEnd ? { text: '' } : stops.push(decoder.push(id));
      events.push({ kind: 'token', index, token: { id }, text: found.text });
      if (found.stop !== undefined) return [...events, this.#finished(index, place + 1, 'stop', stops.end(), found.stop)];
      if (isEnd) break;
    }
    const tail = stops.push(decoder.end());
    const reason = tail.stop !== undefined ? 'stop' : endTokens.has(tokens.at(-1) ?? -1) ? 'end' : 'length';
    return [...events, this.#finished(index, tokens.length, reason, tail.text + stops.end(), tail.stop)];
  }

  #finished(
    index: number,
    generatedTokens: number,
    reason: 'end' | 'stop' | 'length' | 'cancelled',
    text: string,
    stop?: string,
  ): GenerationEvent {
    const totalMs = this.#clock.monotonicMs() - this.#startMs;
    return {
      kind: 'finished',
      index,
      text,
      reason,
      ...(stop === undefined ? {} : { stop }),
      usage: {
        promptTokens: this.#request.source.length,
        generatedTokens,
        ...(this.#queueMs === undefined ? {} : { queueMs: this.#queueMs }),
        // The first is sent when the last is known.
        ...(generatedTokens === 0 ? {} : { firstTokenMs: totalMs }),
        totalMs,
        cachedPromptTokens: 0,
        draftedTokens: 0,
        acceptedTokens: 0,
      },
    };
  }
}
