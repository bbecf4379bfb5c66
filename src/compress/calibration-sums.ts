// Sums on the engine over many runs of one program: two sets of buffers, of which a run reads one and writes the other.
import { at, chosen } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import type { Graph } from '#graph';
import type { HostTensor } from '#tensor';

/** A sum that a graph adds to: its input `sum.{index}` and its output `total.{index}`. */
export interface SumSpec {
  readonly dtype: 'float32' | 'float64';
  readonly shape: readonly number[];
}

export const sumName = (index: number): string => `sum.${index}`;
export const totalName = (index: number): string => `total.${index}`;

/** Starts at zeros; the caller releases it. */
export class RunningSums {
  readonly #engine: Engine;
  readonly #weights: Readonly<Record<string, DeviceBuffer>>;
  #sums: DeviceBuffer[];
  #spare: DeviceBuffer[];
  #program: { readonly key: string; readonly program: Program } | undefined;

  constructor(engine: Engine, weights: Readonly<Record<string, DeviceBuffer>>, specs: readonly SumSpec[]) {
    this.#engine = engine;
    this.#weights = weights;
    const allocate = (): DeviceBuffer[] => specs.map((spec) => engine.allocate(spec));
    this.#sums = allocate();
    this.#spare = allocate();
  }

  /** Adds what one run gives. `key` names the graph, which is built only where it is not the one of the run before. */
  async add(key: string, graph: () => Graph, data: Readonly<Record<string, HostTensor>>, signal: AbortSignal): Promise<void> {
    const program = await this.#compiled(key, graph);
    const sums = Object.fromEntries(this.#sums.map((buffer, index) => [sumName(index), buffer]));
    const outputs = Object.fromEntries(this.#spare.map((buffer, index) => [totalName(index), buffer]));
    const available: Record<string, DeviceBuffer | HostTensor> = { ...this.#weights, ...data, ...sums };
    await program.run(chosen(available, program.inputNames), { outputs, signal });
    [this.#sums, this.#spare] = [this.#spare, this.#sums];
  }

  read(index: number): HostTensor {
    return at(this.#sums, index).read();
  }

  async release(): Promise<void> {
    for (const buffer of [...this.#sums, ...this.#spare]) buffer.release();
    await this.#program?.program.release();
  }

  async #compiled(key: string, graph: () => Graph): Promise<Program> {
    if (this.#program?.key === key) return this.#program.program;
    await this.#program?.program.release();
    this.#program = undefined;
    const program = await this.#engine.compile(graph(), { name: 'calibration' });
    this.#program = { key, program };
    return program;
  }
}
