// The loss scale of one training in float16: its state and its rule on the device.
import type { DeviceBuffer, Engine, Program } from '#engine';
import { buildLossScaleGraph, lossScaleNames, optimizeGraph, scalarInputName } from '#graph';
import { float32 } from '#tensor';
import { readScalar } from './tensor-group.ts';

const initialScale = 65536;
const rule = { growthInterval: 2000, largest: 2 ** 24 };

/**
 * Gradient programs read the scale where it lies; the rule is a program of scalars that follows the norm. Only scalars come to the host: whether the
 * step counts is decided by the norm, which is looked at before anything is changed in every precision.
 */
export class LossScaling {
  /** By their names in graphs and checkpoints. */
  readonly state: Readonly<Record<string, DeviceBuffer>>;
  readonly #rule: Program;

  private constructor(ruleProgram: Program, state: Readonly<Record<string, DeviceBuffer>>) {
    this.#rule = ruleProgram;
    this.state = state;
  }

  static async create(engine: Engine): Promise<LossScaling> {
    const program = await engine.compile(optimizeGraph(buildLossScaleGraph(rule)), { name: 'loss-scale' });
    const initial = { [lossScaleNames.scale]: initialScale, [lossScaleNames.goodSteps]: 0, [lossScaleNames.skipped]: 0 };
    const state = Object.entries(initial).map(([name, value]) => [name, engine.upload(float32([], [value]))] as const);
    return new LossScaling(program, Object.fromEntries(state));
  }

  /** By which the gradients are too large. */
  get scale(): number {
    return readScalar(this.state, lossScaleNames.scale);
  }

  /** Steps that changed no weight. */
  get skipped(): number {
    return readScalar(this.state, lossScaleNames.skipped);
  }

  /** Applies the rule. @param gradientNorm - of all gradients of the step */
  async follow(gradientNorm: number): Promise<void> {
    await this.#rule.run({ ...this.state, [scalarInputName('gradientNorm')]: float32([], [gradientNorm]) }, { outputs: this.state });
  }

  async release(): Promise<void> {
    await this.#rule.release();
    for (const buffer of Object.values(this.state)) buffer.release();
  }
}
