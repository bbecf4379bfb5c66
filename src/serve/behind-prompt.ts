// A sequence of a model with a trained prompt: the ids of its rows run in front of the tokens that the sequence knows.
import type { FinishReason } from './request.ts';
import type { Outcome, RanTokens, Sequence, WantedLogits } from './sequence.ts';

/** Whoever runs it sees the rows as tokens; the sequence itself never does. */
export class BehindPrompt<Event> implements Sequence<Event> {
  readonly #sequence: Sequence<Event>;
  /** P of them. */
  readonly #promptIds: readonly number[];

  constructor(sequence: Sequence<Event>, promptIds: readonly number[]) {
    this.#sequence = sequence;
    this.#promptIds = promptIds;
  }

  get tokens(): readonly number[] {
    return [...this.#promptIds, ...this.#sequence.tokens];
  }

  get maxTokens(): number {
    return this.#promptIds.length + this.#sequence.maxTokens;
  }

  get priority(): number {
    return this.#sequence.priority;
  }

  get queueTimeoutMs(): number | undefined {
    return this.#sequence.queueTimeoutMs;
  }

  get readsPrompt(): boolean {
    return this.#sequence.readsPrompt;
  }

  get elapsedMs(): number {
    return this.#sequence.elapsedMs;
  }

  begin(numCached: number): void {
    this.#sequence.begin(Math.max(0, numCached - this.#promptIds.length));
  }

  wants(start: number, count: number): WantedLogits {
    const rows = this.#rowsIn(start);
    return count <= rows ? 'none' : this.#sequence.wants(this.#own(start), count - rows);
  }

  async accept(ran: RanTokens): Promise<Outcome<Event> | undefined> {
    const { start, numTokens, result } = ran;
    const rows = this.#rowsIn(start);
    if (numTokens <= rows) return undefined;
    const isAll = this.wants(start, numTokens) === 'all' && result instanceof Float32Array;
    const outcome = await this.#sequence.accept({
      ...ran,
      start: this.#own(start),
      numTokens: numTokens - rows,
      result: isAll ? result.subarray((result.length / numTokens) * rows) : result,
    });
    return outcome && { ...outcome, numKept: outcome.numKept + this.#promptIds.length };
  }

  finish(reason: FinishReason): readonly Event[] {
    return this.#sequence.finish(reason);
  }

  left(): void {
    this.#sequence.left();
  }

  /** Rows of the prompt from `start` on. */
  #rowsIn(start: number): number {
    return Math.max(0, this.#promptIds.length - start);
  }

  /** A place among the sequence's own tokens. */
  #own(start: number): number {
    return Math.max(0, start - this.#promptIds.length);
  }
}
