// The likeliest token of each row of logits, found where the logits are.
import { invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder } from '#graph';
import { toNumbers } from '#tensor';
import type { BestToken } from './sequence.ts';

/** One small program for any number of rows, made when it is first used. What crosses to the host is an id and a number a row. */
export class TokenPicker {
  readonly #engine: Engine;
  readonly #vocabularySize: number;
  #program: Promise<Program> | undefined;

  constructor(engine: Engine, vocabularySize: number) {
    this.#engine = engine;
    this.#vocabularySize = vocabularySize;
  }

  /** The first of the largest of each row. @param logits - [M, V] on the device. @throws AppError `cancelled` | `engine_failure` | `out_of_memory` */
  async pick(logits: DeviceBuffer, signal: AbortSignal | undefined): Promise<readonly BestToken[]> {
    this.#program ??= this.#compile().catch((thrown: unknown) => {
      // A failure is not remembered: the next step tries again.
      this.#program = undefined;
      throw thrown;
    });
    const program = await this.#program;
    const { id, logit } = await program.run({ logits }, signal === undefined ? {} : { signal });
    invariant(id !== undefined && logit !== undefined, 'the program answers both');
    try {
      const largest = toNumbers(logit.read());
      return Array.from(toNumbers(id.read()), (token, row) => ({ id: token, logit: largest[row] ?? Number.NaN }));
    } finally {
      id.release();
      logit.release();
    }
  }

  async release(): Promise<void> {
    const program = await this.#program?.catch(() => undefined);
    await program?.release();
  }

  #compile(): Promise<Program> {
    const b = new GraphBuilder();
    const logits = b.input('logits', 'float32', ['M', this.#vocabularySize]);
    return this.#engine.compile(b.graph({ id: b.argMax(logits, 1), logit: b.reduceMax(logits, [1]) }), { name: 'likeliest tokens' });
  }
}
