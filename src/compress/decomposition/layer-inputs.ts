// What calibration says of a layer's inputs, and the output error that it gives to a change of the weights.
import { at, invariant, type OperationContext } from '#base';
import type { DeviceBuffer } from '#engine';
import type { Model } from '#models';
import { hostTensor } from '#tensor';
import type { Calibration } from '../calibration.ts';
import { type EngineMatrices, withBuffers } from './engine-matrices.ts';
import { factorInputs, type InputFactor, type InputOrder } from './input-factor.ts';

/** H = XᵀX [K, K] on the engine, with what follows from it computed when it is asked for. The caller releases it. */
export class LayerInputs {
  readonly width: number;
  readonly #matrices: EngineMatrices;
  readonly #gram: Float64Array;
  readonly #buffer: DeviceBuffer;
  readonly #factors = new Map<InputOrder, Promise<InputFactor>>();

  constructor(matrices: EngineMatrices, gram: Float64Array, width: number) {
    this.width = width;
    this.#matrices = matrices;
    this.#gram = gram;
    this.#buffer = matrices.upload(width, width, gram);
  }

  /** For methods that go over the inputs one by one. Layers that read one input share it. */
  factor(order: InputOrder = 'byMoment'): Promise<InputFactor> {
    const known = this.#factors.get(order);
    if (known !== undefined) return known;
    const factor = factorInputs(this.#matrices, this.#gram, this.width, order);
    this.#factors.set(order, factor);
    return factor;
  }

  /** √Σx² of each input over the calibration text, [K]. */
  norms(): Float64Array {
    return Float64Array.from({ length: this.width }, (_, input) => Math.sqrt(Math.max(0, at(this.#gram, input * (this.width + 1)))));
  }

  /** H between two inputs, [end − start, end − start], for inputs divided by these scales [K]. */
  block(start: number, end: number, inputScales?: Float32Array): Float64Array {
    const size = end - start;
    const scale = (input: number): number => inputScales?.[input] ?? 1;
    return Float64Array.from({ length: size * size }, (_, index) => {
      const [row, column] = [start + Math.floor(index / size), start + (index % size)];
      return at(this.#gram, row * this.width + column) / (scale(row) * scale(column));
    });
  }

  /** ‖X·D‖² for D [K, N]. */
  async outputEnergy(difference: Float64Array): Promise<number> {
    const shape = [this.width, difference.length / this.width] as const;
    const y = hostTensor('float64', shape, difference);
    const product = await this.#matrices.run('product', { x: this.#buffer, y });
    return await withBuffers([product], async () => at(await this.#matrices.runToHost('innerProduct', { x: product, y }), 0));
  }

  /** The inputs of the layer that follows, X·W for W [K, N]: moments WᵀHW. */
  async through(weight: Float64Array): Promise<LayerInputs> {
    const width = weight.length / this.width;
    const w = this.#matrices.upload(this.width, width, weight);
    return await withBuffers([w], async () => {
      const product = await this.#matrices.run('product', { x: this.#buffer, y: w });
      const moments = await withBuffers([product], () => this.#matrices.runToHost('productOfTransposed', { x: w, y: product }));
      return new LayerInputs(this.#matrices, moments, width);
    });
  }

  release(): void {
    this.#buffer.release();
  }
}

/**
 * The inputs of layers that calibration answers for, one layer after the other with what `targets` holds under its path. Layers that read one
 * input come together and share it; it is released behind the last of them.
 */
export async function* inputsOfLayers<Target>(
  calibration: Calibration,
  model: Model,
  targets: ReadonlyMap<string, Target>,
  matrices: EngineMatrices,
  context: OperationContext,
): AsyncGenerator<{ readonly path: string; readonly target: Target; readonly inputs: LayerInputs; readonly gram: Float64Array }> {
  for await (const { paths, gram, width } of calibration.inputMoments(model, [...targets.keys()], context)) {
    const inputs = new LayerInputs(matrices, gram, width);
    try {
      for (const path of paths) {
        const target = targets.get(path);
        invariant(target !== undefined, `calibration answered for ${path}, which was not asked for`);
        yield { path, target, inputs, gram };
      }
    } finally {
      inputs.release();
    }
  }
}
