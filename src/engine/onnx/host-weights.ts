// Large weights of a session, read by the runtime where they lie in host memory.
import { invariant } from '#base';
import { type HostTensor, tensorBytes } from '#tensor';
import type { Pointer } from './c-api.ts';
import type { Environment } from './environment.ts';
import { hostAddress, pointerTable, StringTable } from './native-memory.ts';
import type { OnnxInitializer, OnnxModel } from './onnx-proto.ts';
import { checkStatus } from './status.ts';
import { tensorValue } from './tensor-value.ts';

/** Smaller tensors are part of the model's bytes. */
function isLarge({ tensor }: OnnxInitializer): boolean {
  return hostAddress(tensor) !== undefined;
}

/** Weights that are handed over and not yet released. Invariant: what the runtime may read is referenced from here. */
const handedOver = new Set<HostWeights>();

/** OrtValues over host tensors. They and the tensors must live as long as the session. */
export class HostWeights {
  readonly #environment: Environment;
  readonly #names: StringTable;
  readonly #values: readonly Pointer[];
  readonly #tensors: readonly HostTensor[];
  readonly #texts: readonly string[];

  constructor(environment: Environment, model: OnnxModel) {
    const large = model.initializers.filter(isLarge);
    this.#environment = environment;
    this.#texts = large.map(({ name }) => name);
    this.#names = new StringTable(this.#texts);
    this.#tensors = large.map(({ tensor }) => tensor);
    this.#values = this.#tensors.map((tensor) => {
      const pointer = hostAddress(tensor);
      invariant(pointer !== undefined, 'large tensors keep their address');
      const { dtype, shape } = tensor;
      return tensorValue(environment, environment.cpuMemory, { pointer, sizeBytes: tensorBytes(tensor), dtype, shape });
    });
    handedOver.add(this);
  }

  /** The model with every large tensor said to be elsewhere. */
  static without(model: OnnxModel): OnnxModel {
    const initializers = model.initializers.map((initializer) =>
      isLarge(initializer)
        ? { ...initializer, external: { file: 'host-memory', offset: 0, sizeBytes: tensorBytes(initializer.tensor) } }
        : initializer,
    );
    return { ...model, initializers };
  }

  /**
   * Names the weights in session options, twice: as external data, which the graph's rewriting may read, and as
   * initializers to share, which kernels then read in place instead of a copy.
   */
  handOver(nativeOptions: Pointer, place: string): void {
    if (this.#values.length === 0) return;
    const { api } = this.#environment;
    checkStatus(api.AddExternalInitializers(nativeOptions, this.#names.table, pointerTable(this.#values), this.#values.length), place);
    for (const [index, value] of this.#values.entries())
      checkStatus(api.AddInitializer(nativeOptions, this.#texts[index] ?? '', value), place);
  }

  release(): void {
    if (!handedOver.delete(this)) return;
    for (const value of this.#values) this.#environment.api.ReleaseValue(value);
  }
}
