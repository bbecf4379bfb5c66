// What a teacher writes behind beginnings of texts: found by greedy or beam search, or drawn.
import { at, invariant, type Random } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { Model } from '#models';
import { searchDriver, startSearch } from '#serve';
import { int64 } from '#tensor';
import { type ChooseNext, PromptDecoder } from './prompt-decoder.ts';
import { drawnToken } from './student-sampler.ts';

export interface WriterSettings {
  /** Tokens of every prompt. */
  readonly promptTokens: number;
  /** Tokens of a continuation at most. */
  readonly maxNewTokens: number;
  /** Of the search; 1 takes the likeliest token each time. */
  readonly beams: number;
  /** Draws in place of the search, at this temperature; `beams` is 1 then. */
  readonly temperature?: number | undefined;
}

/** Writes behind up to `prompts` beginnings at a time. Limit: each call computes as many, however few it is given. */
export class TeacherWriter {
  readonly #decoder: PromptDecoder;
  readonly #settings: WriterSettings;
  readonly #prompts: number;
  readonly #endTokens: readonly number[];

  /** @throws AppError `unsupported` for a model that does not continue text | `context_too_long` */
  constructor(engine: Engine, model: Model, settings: WriterSettings, prompts: number) {
    const { promptTokens, maxNewTokens: newTokens, beams } = settings;
    this.#decoder = new PromptDecoder(engine, model, { batch: prompts * beams, promptTokens, newTokens });
    this.#settings = settings;
    this.#prompts = prompts;
    this.#endTokens = model.config.endTokens;
  }

  /**
   * @param random - one for each prompt, where tokens are drawn
   * @returns the best continuation of each, with its end token if it came to one
   * @throws AppError `cancelled`
   */
  async write(
    weights: Readonly<Record<string, DeviceBuffer>>,
    prompts: readonly Int32Array[],
    random: readonly Random[],
    signal: AbortSignal,
  ): Promise<Int32Array[]> {
    const { promptTokens: P, beams, temperature } = this.#settings;
    invariant(prompts.length > 0 && prompts.length <= this.#prompts, 'a writer has room for its prompts');
    const filled = Array.from({ length: this.#prompts }, (_, index) => at(prompts, Math.min(index, prompts.length - 1)));
    const rows = filled.flatMap((prompt) => Array.from({ length: beams }, () => Array.from(prompt)).flat());
    const tokens = int64([this.#prompts * beams, P], rows);
    const { choose, written } = temperature === undefined ? this.#search() : this.#draw(temperature, random);
    await this.#decoder.decode(weights, tokens, choose, signal);
    return prompts.map((_, index) => Int32Array.from(written(index)));
  }

  release(): Promise<void> {
    return this.#decoder.release();
  }

  #search(): Writing {
    const { beams, maxNewTokens: maxTokens } = this.#settings;
    const settings = {
      beams,
      maxTokens,
      minTokens: 0,
      lengthPenalty: 1,
      earlyStopping: false,
      noRepeatNgram: 0,
      // The prompts' rows stand for it: its logits are those behind them.
      startToken: 0,
      endTokens: this.#endTokens,
      suppressed: [],
    } as const;
    const searches = Array.from({ length: this.#prompts }, () => startSearch(settings));
    const driver = searchDriver(searches, settings);
    const choose: ChooseNext = (logits) => {
      void driver.take(logits);
      const next = driver.next();
      return (
        next && {
          tokens: next.map(({ token }) => token),
          parents: next.map(({ parent }, row) => row - (row % beams) + parent),
        }
      );
    };
    return { choose, written: (index) => at(at(searches, index).found, 0).tokens };
  }

  #draw(temperature: number, random: readonly Random[]): Writing {
    const drawn: number[][] = random.map(() => []);
    const hasEnded = (index: number): boolean => this.#endTokens.includes(drawn[index]?.at(-1) ?? -1);
    const choose: ChooseNext = (logits) => {
      for (const [index, own] of random.entries()) if (!hasEnded(index)) at(drawn, index).push(drawnToken(logits(index), temperature, own));
      if (drawn.every((_, index) => hasEnded(index))) return undefined;
      // Rows that ended, and those that only fill up, run on with anything.
      return { tokens: Array.from({ length: this.#prompts }, (_, index) => drawn[index]?.at(-1) ?? 0) };
    };
    return { choose, written: (index) => at(drawn, index) };
  }
}

/** One call on its way. */
interface Writing {
  readonly choose: ChooseNext;
  written(this: void, index: number): readonly number[];
}
