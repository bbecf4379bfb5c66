// Runs tokens of sequences that are known by a number, without a scheduler: each has a row of the cache for itself.
import { AppError } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import { type BestToken, blockTokens, ModelRunner, type StepResult, type WantedLogits } from '#serve';

export interface SequenceTokens {
  readonly id: number;
  readonly tokens: readonly number[];
  /** @default after those that ran before */
  readonly start?: number;
  readonly wantsLogits: WantedLogits;
}

export type SequenceResults = ReadonlyMap<number, Float32Array | AppError>;

/** Lowest free row first, so that rows that were left stay behind in batches. */
export class Sequences {
  readonly runner: ModelRunner;
  readonly #columns: number;
  readonly #holders: (number | undefined)[] = [];
  readonly #lengths: number[] = [];

  private constructor(runner: ModelRunner, contextTokens: number) {
    this.runner = runner;
    this.#columns = Math.ceil(contextTokens / blockTokens);
  }

  static async create(engine: Engine, model: Model, options: Parameters<typeof ModelRunner.create>[2]): Promise<Sequences> {
    return new Sequences(await ModelRunner.create(engine, model, options), options.contextTokens);
  }

  /** Logits of those who want them; of who wants the best token alone, see `best`. */
  async run(shares: readonly SequenceTokens[], signal?: AbortSignal): Promise<SequenceResults> {
    const results = await this.#run(shares, signal);
    return new Map(
      [...results].flatMap(([id, result]) => (result instanceof AppError || result instanceof Float32Array ? [[id, result]] : [])),
    );
  }

  /** One token of each sequence, and what comes after it for who wants nothing else. */
  async best(tokens: ReadonlyMap<number, number>): Promise<ReadonlyMap<number, BestToken>> {
    const results = await this.#run([...tokens].map(([id, token]) => ({ id, tokens: [token], wantsLogits: 'best' })));
    return new Map(
      [...results].map(([id, result]) => {
        if (result instanceof AppError || result instanceof Float32Array)
          throw new Error(`sequence ${id} was not given its best token alone`);
        return [id, result];
      }),
    );
  }

  async #run(shares: readonly SequenceTokens[], signal?: AbortSignal): Promise<ReadonlyMap<number, StepResult | AppError>> {
    for (const { id } of shares) await this.#admit(id);
    const rows = shares.map((share) => {
      const row = this.#holders.indexOf(share.id);
      return { ...share, row, start: share.start ?? this.#lengths[row]! };
    });
    const results = new Map<number, StepResult | AppError>();
    const lengths = [...this.#lengths];
    await this.runner.run({ copies: [], lengths, shares: rows }, (id, result) => result !== undefined && results.set(id, result), signal);
    for (const { row, start, tokens } of rows) this.#lengths[row] = start + tokens.length;
    return results;
  }

  /** Gives the row to whoever comes next. */
  release(id: number): void {
    const row = this.#holders.indexOf(id);
    if (row < 0) return;
    this.#holders[row] = undefined;
    this.#lengths[row] = 0;
  }

  dispose(): Promise<void> {
    return this.runner.dispose();
  }

  async #admit(id: number): Promise<void> {
    if (this.#holders.includes(id)) return;
    const free = this.#holders.indexOf(undefined);
    const row = free < 0 ? this.#holders.length : free;
    if (free < 0) {
      const from = [...this.#holders.keys(), undefined];
      await this.runner.arrange({ rows: row + 1, columns: this.#columns, from });
    }
    this.#holders[row] = id;
    this.#lengths[row] = 0;
  }
}
