// The life of a program, and of what its runs use: ends wait for runs, buffers stay until their run has ended.
import { AppError, invariant } from '#base';

/** States: open → closing (runs under way end, new ones are refused) → released. */
export class ProgramRuns {
  readonly #name: string;
  readonly #close: () => Promise<void> | void;
  readonly #running = new Set<Promise<unknown>>();
  #released: Promise<void> | undefined;

  /** @param close - frees the program, when its last run has ended */
  constructor(name: string, close: () => Promise<void> | void) {
    this.#name = name;
    this.#close = close;
  }

  /** Before a run. @throws AppError `cancelled` */
  checkOpen(signal: AbortSignal | undefined): void {
    invariant(this.#released === undefined, `program "${this.#name}" is used after release`);
    if (signal?.aborted === true) throw new AppError('cancelled', `run "${this.#name}": the run was stopped on request.`);
  }

  /** Does one run with the buffers it needs, and waits for it. */
  async do<Buffer extends RunBuffer, Result>(run: (buffers: RunBuffers<Buffer>) => Promise<Result>): Promise<Result> {
    const buffers = new RunBuffers<Buffer>();
    const running = run(buffers);
    this.#running.add(running);
    try {
      return await running;
    } catch (thrown) {
      buffers.giveBack();
      throw thrown;
    } finally {
      buffers.letGo();
      this.#running.delete(running);
    }
  }

  release(): Promise<void> {
    this.#released ??= this.#end();
    return this.#released;
  }

  async #end(): Promise<void> {
    await Promise.allSettled(this.#running);
    await this.#close();
  }
}

/** Of a buffer, what a run needs. */
interface RunBuffer {
  retain(): void;
  letGo(): void;
  release(): void;
}

/** Buffers of one run. */
export class RunBuffers<Buffer extends RunBuffer> {
  readonly #held: Buffer[] = [];
  readonly #made: Buffer[] = [];

  /** Keeps the memory until the run has ended, whoever releases the buffer meanwhile. */
  hold(buffer: Buffer): Buffer {
    buffer.retain();
    this.#held.push(buffer);
    return buffer;
  }

  /** The same for a result that the caller is given, unless the run fails. */
  holdMade(buffer: Buffer): Buffer {
    this.#made.push(buffer);
    return this.hold(buffer);
  }

  letGo(): void {
    for (const buffer of this.#held) buffer.letGo();
  }

  giveBack(): void {
    for (const buffer of this.#made) buffer.release();
  }
}
