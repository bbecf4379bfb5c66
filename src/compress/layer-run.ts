// The loop that all methods share: one layer after the other, with progress, cancellation, and what an earlier attempt finished.
import { type OperationContext, throwIfCancelled } from '#base';
import type { CompressionEnvironment, FinishedLayer, LayerMemory, LayerReport } from './method.ts';

/** The layers of one application of a method. */
export class LayerRun {
  readonly #phase: string;
  readonly #total: number;
  readonly #memory: LayerMemory | undefined;
  readonly #context: OperationContext;
  readonly #errorsBefore: ReadonlyMap<string, number>;
  #numDone = 0;
  #bytesSaved = 0;

  /** @param phase - what people see, for example `low rank` */
  constructor(phase: string, total: number, { memory, errorsBefore }: CompressionEnvironment, context: OperationContext) {
    this.#phase = phase;
    this.#total = total;
    this.#memory = memory;
    this.#errorsBefore = errorsBefore ?? new Map();
    this.#context = context;
  }

  /** The layer as an earlier attempt left it, already reported; undefined where it has to be made. */
  async recall(path: string): Promise<FinishedLayer | undefined> {
    const known = await this.#memory?.recall(path);
    if (known !== undefined) this.#report(known.layer);
    return known;
  }

  /**
   * Those of `paths` that an earlier attempt finished, already reported. Ask before anything that all layers share, for example calibration: only the
   * others need it.
   */
  async recallAll(paths: Iterable<string>): Promise<Map<string, FinishedLayer>> {
    const finished = new Map<string, FinishedLayer>();
    for (const path of paths) {
      throwIfCancelled(this.#context.signal);
      const known = await this.recall(path);
      if (known !== undefined) finished.set(path, known);
    }
    return finished;
  }

  /** Dear work on the way to a layer, kept and recalled like a layer but not reported. `key` must not be the path of a parameter. */
  async recallPart(key: string): Promise<FinishedLayer | undefined> {
    return this.#memory?.recall(key);
  }

  /** @see recallPart */
  async keepPart(key: string, part: FinishedLayer): Promise<void> {
    await this.#memory?.remember(key, part);
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
      errorBefore: this.#errorsBefore.get(path) ?? 0,
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
