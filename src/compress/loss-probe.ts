// The loss of a model on sample text with one weight changed: one program, in which a single buffer is exchanged.
import { AppError, chosen, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { borrowModel, buildScoreGraph, denseParameter, graphNames, type Model, materializeParameter, replaceParameters } from '#models';
import { type HostTensor, hostTensor, toNumbers } from '#tensor';

/** How many sequences are looked at: ASVD uses 16 to 32. */
const numSequences = 16;

/** Mean loss in nats a token of a model with one of its matrices exchanged. Release it. */
export class LossProbe {
  readonly #engine: Engine;
  readonly #program: Program;
  readonly #weights: Readonly<Record<string, DeviceBuffer>>;
  readonly #windows: readonly HostTensor<'int64'>[];
  readonly #context: OperationContext;

  private constructor(
    engine: Engine,
    program: Program,
    weights: Readonly<Record<string, DeviceBuffer>>,
    windows: readonly HostTensor<'int64'>[],
    context: OperationContext,
  ) {
    this.#engine = engine;
    this.#program = program;
    this.#weights = weights;
    this.#windows = windows;
    this.#context = context;
  }

  /**
   * @param paths - the matrices that may be exchanged; they are on the device as dense ones
   * @throws AppError `not_enough_samples` without a window of two tokens | `cancelled`
   */
  static async create(
    engine: Engine,
    windows: () => AsyncIterable<HostTensor<'int64'>>,
    model: Model,
    paths: readonly string[],
    context: OperationContext,
  ): Promise<LossProbe> {
    const kept: HostTensor<'int64'>[] = [];
    let sequences = 0;
    for await (const window of windows()) {
      throwIfCancelled(context.signal);
      const [batch = 0, length = 0] = window.shape;
      if (length < 2) continue;
      kept.push(window);
      sequences += batch;
      if (sequences >= numSequences) break;
    }
    if (sequences === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of two tokens. Give more text.');
    const changeable = replaceParameters(
      model,
      paths.map((path) => denseParameter(path, materializeParameter(model, path))),
    );
    const weights = borrowModel(engine, changeable);
    try {
      const program = await engine.compile(buildScoreGraph(changeable, { batch: 'B', length: 'T' }), { name: 'loss probe' });
      return new LossProbe(engine, program, weights, kept, context);
    } catch (thrown) {
      releaseAll(weights);
      throw thrown;
    }
  }

  /** @param path - of the matrix that `weight`, dense, stands in for; nothing is exchanged without one */
  async loss(path?: string, weight?: HostTensor<'float32'>): Promise<number> {
    const exchanged = path === undefined || weight === undefined ? {} : { [path]: this.#engine.upload(weight) };
    try {
      return await this.#run({ ...this.#weights, ...exchanged });
    } finally {
      releaseAll(exchanged);
    }
  }

  async release(): Promise<void> {
    releaseAll(this.#weights);
    await this.#program.release();
  }

  async #run(weights: Readonly<Record<string, DeviceBuffer>>): Promise<number> {
    const { signal } = this.#context;
    let sum = 0;
    let scored = 0;
    for (const tokens of this.#windows) {
      throwIfCancelled(signal);
      const [, length = 0] = tokens.shape;
      const labels = BigInt64Array.from(tokens.data, (_, index) => tokens.data[index + 1] ?? 0n);
      const data = { [graphNames.tokens]: tokens, [graphNames.labels]: hostTensor('int64', tokens.shape, labels) };
      const results = await this.#program.run(chosen({ ...weights, ...data }, this.#program.inputNames), { signal });
      const losses = results[graphNames.negativeLogLikelihood]?.read();
      releaseAll(results);
      if (losses === undefined) continue;
      toNumbers(losses).forEach((value, index) => {
        // The label behind the last token is of another sequence.
        if (index % length === length - 1) return;
        sum += value;
        scored++;
      });
    }
    return sum / scored;
  }
}

function releaseAll(buffers: Readonly<Record<string, DeviceBuffer>>): void {
  for (const buffer of Object.values(buffers)) buffer.release();
}
