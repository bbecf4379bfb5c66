// The loop that all methods share: one layer after the other, with progress, cancellation, and what an earlier attempt finished.
import { type OperationContext, throwIfCancelled } from '#base';
import type { CompressionEnvironment, FinishedLayer, LayerMemory, LayerReport } from './method.ts';

/** The layers of one application of a method. */
export class LayerRun {
  readonly #phase: string;
  readonly #total: number;
  readonly #memory: LayerMemory | undefined;
  readonly #context: OperationContext;
  #numDone = 0;
  #bytesSaved = 0;

  /** @param phase - what people see, for example `low rank` */
  constructor(phase: string, total: number, { memory }: CompressionEnvironment, context: OperationContext) {
    this.#phase = phase;
    this.#total = total;
    this.#memory = memory;
    this.#context = context;
  }

  /** The layer as an earlier attempt left it, already reported; undefined where it has to be made. */
  async recall(path: string): Promise<FinishedLayer | undefined> {
    const known = await this.#memory?.recall(path);
    if (known !== undefined) this.#report(known.layer);
    return known;
  }

  /**
   * Makes one layer, unless an earlier attempt did, keeps it and reports it.
   *
   * @throws AppError `cancelled` and those of `make`
   */
  async layer(path: string, make: () => Promise<FinishedLayer>): Promise<FinishedLayer> {
    throwIfCancelled(this.#context.signal);
    const known = await this.recall(path);
    if (known !== undefined) return known;
    const finished = await make();
    throwIfCancelled(this.#context.signal);
    await this.#memory?.remember(path, finished);
    this.#report(finished.layer);
    return finished;
  }

  #report({ path, weightError, outputError, rank, bytesBefore, bytesAfter }: LayerReport): void {
    this.#bytesSaved += bytesBefore - bytesAfter;
    const metrics = {
      weightError,
      ...(outputError === undefined ? {} : { outputError }),
      ...(rank === undefined ? {} : { rank }),
      bytesBefore,
      bytesAfter,
      bytesSaved: this.#bytesSaved,
    };
    this.#context.report({ phase: this.#phase, step: ++this.#numDone, total: this.#total, item: path, metrics });
  }
}
