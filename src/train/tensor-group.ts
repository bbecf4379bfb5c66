// Tensors that one learning rate moves: their gradients, optimizer state, norm and update on the device.
import { at, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { buildNormGraph, gradientName, type Optimizer, optimizeGraph, scalarInputName, stateName } from '#graph';
import { float32, sizeOf, toNumbers } from '#tensor';
import { OptimizerStep } from './optimizer-step.ts';

export interface GroupTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly decays: boolean;
  /** The tensor itself; it belongs to the caller. */
  readonly buffer: DeviceBuffer;
}

export interface GroupOptions {
  readonly optimizer: Optimizer;
  /** Largest norm of the group's gradients; absent for no clipping. */
  readonly clipNorm: number | undefined;
  /** The schedule's learning rate is multiplied by this; below 0 to go up the gradient. */
  readonly learningRateFactor: number;
}

export class TensorGroup {
  /** By `gradient:NAME`. */
  readonly gradients: Readonly<Record<string, DeviceBuffer>>;
  /** By `SLOT:NAME`. */
  readonly state: Readonly<Record<string, DeviceBuffer>>;
  readonly #tensors: Readonly<Record<string, DeviceBuffer>>;
  readonly #options: GroupOptions;
  readonly #norm: Program;
  readonly #update: OptimizerStep;
  /** Gradients that are known to be zero. */
  readonly #zero = new Set<string>();

  private constructor(
    tensors: readonly GroupTensor[],
    options: GroupOptions,
    parts: {
      gradients: Readonly<Record<string, DeviceBuffer>>;
      state: Readonly<Record<string, DeviceBuffer>>;
      norm: Program;
      update: OptimizerStep;
    },
  ) {
    this.#tensors = Object.fromEntries(tensors.map(({ name, buffer }) => [name, buffer]));
    this.#options = options;
    this.gradients = parts.gradients;
    this.state = parts.state;
    this.#norm = parts.norm;
    this.#update = parts.update;
  }

  /** @param tensors - at least one */
  static async create(engine: Engine, tensors: readonly GroupTensor[], options: GroupOptions): Promise<TensorGroup> {
    const { optimizer, clipNorm } = options;
    const buffers: DeviceBuffer[] = [];
    const allocate = (name: string, shape: readonly number[]): readonly [string, DeviceBuffer] => {
      const buffer = engine.allocate({ dtype: 'float32', shape });
      buffers.push(buffer);
      return [name, buffer];
    };
    const programs: { release(): Promise<void> }[] = [];
    try {
      const update = await OptimizerStep.create(engine, tensors, optimizer, clipNorm);
      programs.push(update);
      const norm = await engine.compile(optimizeGraph(buildNormGraph(tensors)), { name: 'norm' });
      programs.push(norm);
      const gradients = Object.fromEntries(tensors.map(({ name, shape }) => allocate(gradientName(name), shape)));
      const state = Object.fromEntries(
        tensors.flatMap(({ name, shape }) => optimizer.stateSlots.map((slot) => allocate(stateName(slot, name), shape))),
      );
      return new TensorGroup(tensors, options, { gradients, state, norm, update });
    } catch (error) {
      await Promise.all(programs.map((program) => program.release()));
      for (const buffer of buffers) buffer.release();
      throw error;
    }
  }

  /** The gradients that a program does not make are zero from now on, or stay as they are where it adds to them. */
  wrote(outputs: ReadonlySet<string>, adds: boolean): void {
    for (const [name, gradient] of Object.entries(this.gradients)) {
      if (outputs.has(name)) this.#zero.delete(name);
      else if (!adds && !this.#zero.has(name)) {
        gradient.write(float32(gradient.shape, new Float32Array(sizeOf(gradient.shape))));
        this.#zero.add(name);
      }
    }
  }

  /** Global norm of the gradients times the scale. */
  async norm(gradientScale: number): Promise<number> {
    const results = await this.#norm.run({ ...this.gradients, [scalarInputName('gradientScale')]: float32([], [gradientScale]) });
    return takeScalar(results, 'gradientNorm');
  }

  async update(step: number, learningRate: number, ofGradients: { gradientNorm: number; gradientScale: number }): Promise<void> {
    const { optimizer, learningRateFactor } = this.#options;
    const scalars = { ...optimizer.scalars(step, learningRate * learningRateFactor), ...ofGradients };
    await this.#update.run({ ...this.#tensors, ...this.gradients, ...this.state }, scalars);
  }

  async release(): Promise<void> {
    await Promise.all([this.#norm.release(), this.#update.release()]);
    for (const held of [this.gradients, this.state]) for (const buffer of Object.values(held)) buffer.release();
  }
}

/** Reads a scalar, which stays. */
export function readScalar(buffers: Readonly<Record<string, DeviceBuffer>>, name: string): number {
  const buffer = buffers[name];
  invariant(buffer !== undefined, `output ${name} is missing`);
  return at(toNumbers(buffer.read()), 0);
}

/** Reads a scalar and gives its memory back. */
export function takeScalar(results: Readonly<Record<string, DeviceBuffer>>, name: string): number {
  const value = readScalar(results, name);
  results[name]?.release();
  return value;
}
