// What a compiled graph takes and makes: names, types and sizes, checked before every run.
import { AppError, invariant } from '#base';
import type { Graph, GraphInput, GraphOutput } from '#graph';
import { bindShape, evaluateShape, type HostTensor, printShape, sameShape } from '#tensor';
import type { DeviceBuffer } from './engine.ts';

/** Refuses frozen inputs that the graph does not have or that are of another type. @throws AppError `shape_mismatch` | `dtype_mismatch` */
export function checkFrozen(graph: Graph, frozen: ReadonlyMap<string, HostTensor>, name: string): void {
  for (const [input, tensor] of frozen) {
    const declared = graph.inputs.find((candidate) => candidate.name === input);
    if (declared === undefined) throw new AppError('shape_mismatch', `compile "${name}": there is no input "${input}" to freeze.`);
    if (declared.value.dtype !== tensor.dtype)
      throw new AppError(
        'dtype_mismatch',
        `compile "${name}", frozen input "${input}": expected ${declared.value.dtype}, got ${tensor.dtype}.`,
      );
  }
}

/** What an engine knows about its own buffers. */
export interface OwnBuffer {
  /** Throws InvariantError for a buffer that may only be read. */
  checkWritable(): void;
}

export interface SignatureOptions {
  readonly name: string;
  readonly graph: Graph;
  readonly frozen: ReadonlyMap<string, HostTensor>;
  /** The buffer as the engine's own; undefined for one that another engine made. */
  readonly own: (buffer: DeviceBuffer) => OwnBuffer | undefined;
}

export class Signature {
  readonly name: string;
  /** Without the frozen ones. */
  readonly inputs: readonly GraphInput[];
  readonly outputs: readonly GraphOutput[];
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #frozenSizes = new Map<string, number>();
  readonly #own: SignatureOptions['own'];

  constructor({ name, graph, frozen, own }: SignatureOptions) {
    this.name = name;
    this.inputs = graph.inputs.filter((input) => !frozen.has(input.name));
    this.outputs = graph.outputs;
    this.inputNames = this.inputs.map((input) => input.name);
    this.outputNames = this.outputs.map((output) => output.name);
    this.#own = own;
    for (const input of graph.inputs) {
      const tensor = frozen.get(input.name);
      if (tensor !== undefined) bindShape(input.value.shape, tensor.shape, this.#frozenSizes, this.#place(`frozen input "${input.name}"`));
    }
  }

  /** Returns what the symbols stand for in this run. @throws AppError `shape_mismatch` | `dtype_mismatch` */
  checkInputs(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>): Map<string, number> {
    const bindings = new Map(this.#frozenSizes);
    for (const { name, value } of this.inputs) {
      const given = inputs[name];
      const place = this.#place(`input "${name}"`);
      if (given === undefined)
        throw new AppError('shape_mismatch', `${place}: is missing; the program takes ${this.inputNames.join(', ')}.`);
      if (!('data' in given)) this.#ownBuffer(given, place);
      if (given.dtype !== value.dtype) throw new AppError('dtype_mismatch', `${place}: expected ${value.dtype}, got ${given.dtype}.`);
      bindShape(value.shape, given.shape, bindings, place);
    }
    // Expressions can be checked once every symbol is known.
    for (const { name, value } of this.inputs) {
      const [expected, actual] = [evaluateShape(value.shape, bindings), inputs[name]?.shape ?? []];
      if (!sameShape(expected, actual))
        throw new AppError(
          'shape_mismatch',
          `${this.#place(`input "${name}"`)}: expected ${printShape(expected)}, got ${printShape(actual)}.`,
        );
    }
    for (const name of Object.keys(inputs))
      if (!this.inputNames.includes(name))
        throw new AppError(
          'shape_mismatch',
          `${this.#place(`input "${name}"`)}: is unknown; the program takes ${this.inputNames.join(', ')}.`,
        );
    return bindings;
  }

  /** @throws AppError `shape_mismatch` | `dtype_mismatch` */
  checkOutputs(outputs: Readonly<Record<string, DeviceBuffer>>, bindings: ReadonlyMap<string, number>): void {
    for (const [name, buffer] of Object.entries(outputs)) {
      const output = this.outputs.find((candidate) => candidate.name === name);
      const place = this.#place(`output "${name}"`);
      if (output === undefined)
        throw new AppError('shape_mismatch', `${place}: is unknown; the program makes ${this.outputNames.join(', ')}.`);
      this.#ownBuffer(buffer, place).checkWritable();
      const expected = evaluateShape(output.value.shape, bindings);
      if (buffer.dtype !== output.value.dtype)
        throw new AppError('dtype_mismatch', `${place}: expected ${output.value.dtype}, got ${buffer.dtype}.`);
      if (!sameShape(buffer.shape, expected))
        throw new AppError('shape_mismatch', `${place}: expected ${printShape(expected)}, got ${printShape(buffer.shape)}.`);
    }
  }

  /** Buffers of another engine are in memory that this one cannot reach. */
  #ownBuffer(buffer: DeviceBuffer, place: string): OwnBuffer {
    const own = this.#own(buffer);
    invariant(own !== undefined, `${place}: the buffer was made by another engine`);
    return own;
  }

  #place(what: string): string {
    return `run "${this.name}", ${what}`;
  }
}
