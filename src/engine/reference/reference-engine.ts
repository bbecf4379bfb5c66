// The oracle as an engine: plain evaluation behind the same contract. Slow; for tests and for reading.
import { AppError, invariant } from '#base';
import type {
  BufferType,
  CompileOptions,
  DeviceBuffer,
  Engine,
  EngineCounters,
  PlanOptions,
  Program,
  RunMemory,
  RunOptions,
} from '#engine';
import type { Graph, PlainTensor } from '#graph';
import { fromNumbers, type HostTensor, hostTensor, printShape, rawBytes, sizeOf, tensorBytes, toNumbers } from '#tensor';
import { livenessOf } from '../liveness.ts';
import { evaluateGraph } from './evaluate.ts';

/** Makes an engine that evaluates graphs in float64 on the host. */
export function createReferenceEngine(): Engine {
  return new ReferenceEngine();
}

class ReferenceEngine implements Engine {
  readonly name = 'reference';
  readonly runtime = 'JavaScript';
  readonly device = 'host';
  readonly nativeProducts = [];
  /** Nothing is fast here, and everything may be compared with it. */
  readonly hasFastInt8 = true;
  readonly #buffers = new Set<HostBuffer>();
  #programs = 0;
  #peakBytes = 0;
  #hostToDeviceBytes = 0;
  #deviceToHostBytes = 0;

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    this.#programs += 1;
    return new ReferenceProgram(this, graph, options, () => {
      this.#programs -= 1;
    });
  }

  async planRun(graph: Graph, { sizes }: PlanOptions = {}): Promise<RunMemory> {
    return livenessOf(graph, sizes);
  }

  allocate(type: BufferType): DeviceBuffer {
    return this.hold(hostTensor(type.dtype, type.shape));
  }

  upload(tensor: HostTensor): DeviceBuffer {
    const buffer = this.allocate(tensor);
    buffer.write(tensor);
    return buffer;
  }

  borrow(tensor: HostTensor): DeviceBuffer {
    return this.hold(tensor, tensorBytes(tensor), true);
  }

  hold(tensor: HostTensor, ownedBytes = tensorBytes(tensor), isBorrowed = false): DeviceBuffer {
    const buffer = new HostBuffer(tensor, this, ownedBytes, isBorrowed);
    this.#buffers.add(buffer);
    this.#peakBytes = Math.max(this.#peakBytes, this.counters().bufferBytes);
    return buffer;
  }

  drop(buffer: HostBuffer): void {
    this.#buffers.delete(buffer);
  }

  countUpload(bytes: number): void {
    this.#hostToDeviceBytes += bytes;
  }

  countDownload(bytes: number): void {
    this.#deviceToHostBytes += bytes;
  }

  counters(): EngineCounters {
    let bufferBytes = 0;
    for (const buffer of this.#buffers) bufferBytes += buffer.ownedBytes;
    return {
      bufferBytes,
      peakBufferBytes: Math.max(this.#peakBytes, bufferBytes),
      scratchBytes: 0,
      peakScratchBytes: 0,
      buffers: this.#buffers.size,
      programs: this.#programs,
      hostToDeviceBytes: this.#hostToDeviceBytes,
      deviceToHostBytes: this.#deviceToHostBytes,
    };
  }

  async dispose(): Promise<void> {
    for (const buffer of [...this.#buffers]) buffer.release();
  }
}

class HostBuffer implements DeviceBuffer {
  readonly dtype: HostTensor['dtype'];
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** 0 for a part of another buffer. */
  readonly ownedBytes: number;
  readonly isBorrowed: boolean;
  readonly #engine: ReferenceEngine;
  #tensor: HostTensor | undefined;

  constructor(tensor: HostTensor, engine: ReferenceEngine, ownedBytes: number, isBorrowed: boolean) {
    this.isBorrowed = isBorrowed;
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.sizeBytes = tensorBytes(tensor);
    this.ownedBytes = ownedBytes;
    this.#tensor = tensor;
    this.#engine = engine;
  }

  get isReleased(): boolean {
    return this.#tensor === undefined;
  }

  /** The tensor itself, for the engine. */
  get contents(): HostTensor {
    invariant(this.#tensor !== undefined, 'a released buffer was used');
    return this.#tensor;
  }

  read(): HostTensor {
    this.#engine.countDownload(this.sizeBytes);
    const { dtype, shape, data } = this.contents;
    return hostTensor(dtype, shape, data.slice());
  }

  write(tensor: HostTensor): void {
    this.#engine.countUpload(this.sizeBytes);
    this.overwrite(tensor);
  }

  overwrite(tensor: HostTensor): void {
    if (tensor.dtype !== this.dtype) throw new AppError('dtype_mismatch', `buffer of ${this.dtype} cannot hold ${tensor.dtype}.`);
    if (printShape(tensor.shape) !== printShape(this.shape))
      throw new AppError('shape_mismatch', `buffer ${printShape(this.shape)} cannot hold ${printShape(tensor.shape)}.`);
    rawBytes(this.contents).set(rawBytes(tensor));
  }

  part(first: number, count: number, shape: readonly number[] = [count]): DeviceBuffer {
    const { dtype, shape: whole, data } = this.contents;
    invariant(first >= 0 && count >= 0 && first + count <= sizeOf(whole), `part ${first}+${count} of ${printShape(whole)}`);
    invariant(sizeOf(shape) === count, `a part of ${count} elements is no ${printShape(shape)}`);
    return this.#engine.hold(hostTensor(dtype, shape, data.subarray(first, first + count)), 0);
  }

  release(): void {
    this.#tensor = undefined;
    this.#engine.drop(this);
  }
}

class ReferenceProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #engine: ReferenceEngine;
  readonly #graph: Graph;
  readonly #frozen: ReadonlyMap<string, HostTensor>;
  readonly #onRelease: () => void;
  #isReleased = false;

  constructor(engine: ReferenceEngine, graph: Graph, options: CompileOptions, onRelease: () => void) {
    this.name = options.name ?? 'graph';
    this.#engine = engine;
    this.#graph = graph;
    this.#frozen = options.frozen ?? new Map();
    this.#onRelease = onRelease;
    this.inputNames = graph.inputs.map(({ name }) => name).filter((name) => !this.#frozen.has(name));
    this.outputNames = graph.outputs.map(({ name }) => name);
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    invariant(!this.#isReleased, `program ${this.name} was run after its release`);
    const bound = new Map<string, PlainTensor>();
    for (const { name, value } of this.#graph.inputs) {
      const given = this.#frozen.get(name) ?? inputs[name];
      if (given === undefined) throw new AppError('invalid_argument', `${this.name}: input "${name}" is missing.`);
      if (given.dtype !== value.dtype)
        throw new AppError('dtype_mismatch', `${this.name}: input "${name}" must be ${value.dtype}, got ${given.dtype}.`);
      const tensor = given instanceof HostBuffer ? given.contents : (given as HostTensor);
      bound.set(name, { shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) });
    }
    const results = await evaluateGraph(this.#graph, bound, options.signal);
    const outputs: Record<string, DeviceBuffer> = {};
    for (const { name, value } of this.#graph.outputs) {
      const result = results.get(name);
      invariant(result !== undefined, `output ${name} was not computed`);
      const tensor = hostTensor(value.dtype, result.shape, fromNumbers(value.dtype, result.data));
      const target = options.outputs?.[name];
      if (target instanceof HostBuffer) target.overwrite(tensor);
      outputs[name] = target ?? this.#engine.hold(tensor);
    }
    return outputs;
  }

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onRelease();
  }
}

/** Evaluates a graph once on host tensors, in float64 throughout: results are not rounded to their element type. */
export async function evaluateOnHost(graph: Graph, inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, PlainTensor>> {
  const bound = new Map(
    Object.entries(inputs).map(([name, tensor]) => [name, { shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) }] as const),
  );
  return Object.fromEntries(await evaluateGraph(graph, bound));
}
