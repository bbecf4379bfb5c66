// The loss of a model on sample data with one weight changed: programs in which a single buffer is exchanged.
import { AppError, chosen, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder, optimizeGraph } from '#graph';
import { borrowModel, denseParameter, type Model, type ModelDeclaration, materializeParameter, replaceParameters } from '#models';
import { type HostTensor, hostTensor, toNumbers } from '#tensor';
import type { CalibrationWindow } from './calibration-windows.ts';
import { type LossWindow, lossWindow, type WindowSizes, windowKey, windowNetwork } from './window-loss.ts';

/** How many sequences are looked at: ASVD uses 16 to 32. */
const numSequences = 16;

/** Mean loss in nats an answer (a token, a label) of a model with one of its matrices exchanged. Release it. */
export class LossProbe {
  readonly #engine: Engine;
  /** By `windowKey`. */
  readonly #programs: ReadonlyMap<string, Program>;
  readonly #weights: Readonly<Record<string, DeviceBuffer>>;
  readonly #windows: readonly LossWindow[];
  readonly #context: OperationContext;

  private constructor(
    engine: Engine,
    programs: ReadonlyMap<string, Program>,
    weights: Readonly<Record<string, DeviceBuffer>>,
    windows: readonly LossWindow[],
    context: OperationContext,
  ) {
    this.#engine = engine;
    this.#programs = programs;
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
    windows: () => AsyncIterable<CalibrationWindow>,
    model: Model,
    paths: readonly string[],
    context: OperationContext,
  ): Promise<LossProbe> {
    const kept: LossWindow[] = [];
    let sequences = 0;
    for await (const window of windows()) {
      throwIfCancelled(context.signal);
      const answered = lossWindow(window, model);
      if (answered === undefined) continue;
      kept.push(answered);
      sequences += answered.sizes.batch;
      if (sequences >= numSequences) break;
    }
    if (sequences === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of two tokens. Give more text.');
    const changeable = replaceParameters(
      model,
      paths.map((path) => denseParameter(path, materializeParameter(model, path))),
    );
    const weights = borrowModel(engine, changeable);
    const programs = new Map<string, Program>();
    try {
      for (const { sizes } of kept) {
        const key = windowKey(sizes);
        if (!programs.has(key)) programs.set(key, await engine.compile(lossGraph(changeable, sizes), { name: `loss probe ${key}` }));
      }
      return new LossProbe(engine, programs, weights, kept, context);
    } catch (thrown) {
      for (const program of programs.values()) await program.release();
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
    for (const program of this.#programs.values()) await program.release();
  }

  async #run(weights: Readonly<Record<string, DeviceBuffer>>): Promise<number> {
    const { signal } = this.#context;
    let [sum, answers] = [0, 0];
    for (const { sizes, inputs } of this.#windows) {
      throwIfCancelled(signal);
      const program = this.#programs.get(windowKey(sizes));
      invariant(program !== undefined, 'every window has its program');
      const results = await program.run(chosen({ ...weights, ...inputs }, program.inputNames), { signal });
      const numbers = (name: string): number[] => Array.from(toNumbers(results[name]?.read() ?? hostTensor('float32', [0])));
      const losses = numbers('losses');
      sum += total(losses);
      answers += 'counts' in results ? total(numbers('counts')) : losses.length;
      releaseAll(results);
    }
    return sum / answers;
  }
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function lossGraph(model: ModelDeclaration, sizes: WindowSizes): Graph {
  const b = new GraphBuilder();
  const { losses, counts } = windowNetwork(b, model, sizes).loss();
  return optimizeGraph(b.graph({ losses, ...(counts && { counts }) }));
}

function releaseAll(buffers: Readonly<Record<string, DeviceBuffer>>): void {
  for (const buffer of Object.values(buffers)) buffer.release();
}
