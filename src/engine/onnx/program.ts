// A compiled graph: checks what a run is given, binds buffers, runs, and waits for its runs before it is freed.
import { AppError, at, invariant } from '#base';
import type { DeviceBuffer, Program, RunOptions } from '#engine';
import type { Graph, GraphInput, GraphOutput } from '#graph';
import { bindShape, evaluateShape, type HostTensor, printShape, sameShape } from '#tensor';
import { type BufferPool, OnnxBuffer } from './buffer.ts';
import type { Session } from './session.ts';

export interface ProgramOptions {
  readonly name: string;
  readonly graph: Graph;
  readonly frozen: ReadonlyMap<string, HostTensor>;
  readonly session: Session;
  readonly pool: BufferPool;
  readonly onRelease: (program: OnnxProgram) => Promise<void>;
}

/** States: open → closing (runs under way end, new ones are refused) → released. */
export class OnnxProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #inputs: readonly GraphInput[];
  readonly #outputs: readonly GraphOutput[];
  readonly #frozenSizes = new Map<string, number>();
  readonly #session: Session;
  readonly #pool: BufferPool;
  readonly #onRelease: (program: OnnxProgram) => Promise<void>;
  readonly #running = new Set<Promise<void>>();
  #released: Promise<void> | undefined;

  constructor({ name, graph, frozen, session, pool, onRelease }: ProgramOptions) {
    this.name = name;
    this.#inputs = graph.inputs.filter((input) => !frozen.has(input.name));
    this.#outputs = graph.outputs;
    this.inputNames = this.#inputs.map((input) => input.name);
    this.outputNames = this.#outputs.map((output) => output.name);
    this.#session = session;
    this.#pool = pool;
    this.#onRelease = onRelease;
    for (const input of graph.inputs) {
      const tensor = frozen.get(input.name);
      if (tensor !== undefined) bindShape(input.value.shape, tensor.shape, this.#frozenSizes, this.#place(`frozen input "${input.name}"`));
    }
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    invariant(this.#released === undefined, `program "${this.name}" is used after release`);
    if (options.signal?.aborted === true) throw new AppError('cancelled', `run "${this.name}": the run was stopped on request.`);
    const bindings = this.#checkInputs(inputs);
    this.#checkOutputs(options.outputs ?? {}, bindings);
    const held: OnnxBuffer[] = [];
    const made: OnnxBuffer[] = [];
    try {
      const operands = this.#inputs.map(({ name }) => {
        const given = known(inputs[name]);
        if (given instanceof OnnxBuffer) return hold(given, held);
        const uploaded = this.#pool.stage(given as HostTensor);
        hold(uploaded, held).release();
        return uploaded;
      });
      const results = this.#outputs.map(({ name, value }) => {
        const given = options.outputs?.[name];
        if (given !== undefined) return hold(given as OnnxBuffer, held);
        const result = this.#pool.allocateResult({ dtype: value.dtype, shape: evaluateShape(value.shape, bindings) });
        made.push(result);
        return hold(result, held);
      });
      const run = this.#session.run(
        operands.map((buffer) => buffer.heldValue),
        results.map((buffer) => buffer.heldValue),
        options.signal,
      );
      await this.#track(run);
      return Object.fromEntries(this.#outputs.map(({ name }, index) => [name, at(results, index)]));
    } catch (thrown) {
      for (const buffer of made) buffer.release();
      throw thrown;
    } finally {
      for (const buffer of held) buffer.letGo();
    }
  }

  release(): Promise<void> {
    this.#released ??= this.#close();
    return this.#released;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running);
    this.#session.release();
    await this.#onRelease(this);
  }

  async #track(run: Promise<void>): Promise<void> {
    this.#running.add(run);
    try {
      await run;
    } finally {
      this.#running.delete(run);
    }
  }

  /** Returns what the symbols stand for in this run. */
  #checkInputs(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>): Map<string, number> {
    const bindings = new Map(this.#frozenSizes);
    for (const { name, value } of this.#inputs) {
      const given = inputs[name];
      const place = this.#place(`input "${name}"`);
      if (given === undefined)
        throw new AppError('shape_mismatch', `${place}: is missing; the program takes ${this.inputNames.join(', ')}.`);
      checkOwner(given, place);
      if (given.dtype !== value.dtype) throw new AppError('dtype_mismatch', `${place}: expected ${value.dtype}, got ${given.dtype}.`);
      bindShape(value.shape, given.shape, bindings, place);
    }
    // Expressions can be checked once every symbol is known.
    for (const { name, value } of this.#inputs) {
      const [expected, actual] = [evaluateShape(value.shape, bindings), known(inputs[name]).shape];
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

  #checkOutputs(outputs: Readonly<Record<string, DeviceBuffer>>, bindings: ReadonlyMap<string, number>): void {
    for (const [name, buffer] of Object.entries(outputs)) {
      const output = this.#outputs.find((candidate) => candidate.name === name);
      const place = this.#place(`output "${name}"`);
      if (output === undefined)
        throw new AppError('shape_mismatch', `${place}: is unknown; the program makes ${this.outputNames.join(', ')}.`);
      checkOwner(buffer, place);
      if (buffer instanceof OnnxBuffer) buffer.checkWritable();
      const expected = evaluateShape(output.value.shape, bindings);
      if (buffer.dtype !== output.value.dtype)
        throw new AppError('dtype_mismatch', `${place}: expected ${output.value.dtype}, got ${buffer.dtype}.`);
      if (!sameShape(buffer.shape, expected))
        throw new AppError('shape_mismatch', `${place}: expected ${printShape(expected)}, got ${printShape(buffer.shape)}.`);
    }
  }

  #place(what: string): string {
    return `run "${this.name}", ${what}`;
  }
}

function hold(buffer: OnnxBuffer, held: OnnxBuffer[]): OnnxBuffer {
  buffer.retain();
  held.push(buffer);
  return buffer;
}

function known<T>(given: T | undefined): T {
  invariant(given !== undefined, 'inputs were checked before');
  return given;
}

/** Buffers of another engine are in memory that this one cannot reach. */
function checkOwner(given: DeviceBuffer | HostTensor, place: string): void {
  const isHostTensor = 'data' in given;
  invariant(isHostTensor || given instanceof OnnxBuffer, `${place}: the buffer was made by another engine`);
}
