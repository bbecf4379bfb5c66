// The oracle as an engine: plain evaluation behind the same contract. Slow; for tests and for reading.
import { invariant } from '#base';
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
import { fromNumbers, type HostTensor, hostTensor, rawBytes, sizeOf, tensorBytes, toNumbers } from '#tensor';
import { Counters } from '../counters.ts';
import { HeldBuffer, type Holding, Holdings } from '../held-buffer.ts';
import { livenessOf } from '../liveness.ts';
import { ProgramRuns } from '../program-runs.ts';
import { checkFrozen, Signature } from '../signature.ts';
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
  readonly #counters = new Counters();
  readonly #holdings = new Holdings(this.#counters);

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    this.#counters.programMade();
    return new ReferenceProgram(this, graph, options, () => this.#counters.programFreed());
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
    return this.hold(tensor, { isBorrowed: true });
  }

  hold(tensor: HostTensor, { isBorrowed = false, inside }: { isBorrowed?: boolean; inside?: () => void } = {}): HostBuffer {
    const bytes = inside === undefined ? tensorBytes(tensor) : 0;
    return new HostBuffer(tensor, this, this.#counters, this.#holdings.add(bytes, inside ?? (() => {})), isBorrowed);
  }

  counters(): EngineCounters {
    return this.#counters.snapshot();
  }

  async dispose(): Promise<void> {
    this.#holdings.freeAll();
  }
}

class HostBuffer extends HeldBuffer<HostBuffer> {
  /** The tensor itself, for the engine. */
  readonly contents: HostTensor;
  readonly #engine: ReferenceEngine;

  constructor(contents: HostTensor, engine: ReferenceEngine, counters: Counters, holding: Holding, isBorrowed: boolean) {
    super(contents, counters, holding, isBorrowed);
    this.contents = contents;
    this.#engine = engine;
  }

  protected override fetch(): HostTensor {
    return hostTensor(this.dtype, this.shape, this.contents.data.slice());
  }

  /** By the engine: nothing moves. */
  overwrite(tensor: HostTensor): void {
    rawBytes(this.contents).set(rawBytes(tensor));
  }

  protected override fill(tensor: HostTensor): void {
    this.overwrite(tensor);
  }

  protected override partAt(first: number, shape: readonly number[], onFree: () => void): HostBuffer {
    const elements = this.contents.data.subarray(first, first + sizeOf(shape));
    return this.#engine.hold(hostTensor(this.dtype, shape, elements), { isBorrowed: this.isBorrowed, inside: onFree });
  }
}

class ReferenceProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #engine: ReferenceEngine;
  readonly #graph: Graph;
  readonly #frozen: ReadonlyMap<string, HostTensor>;
  readonly #signature: Signature;
  readonly #runs: ProgramRuns;

  constructor(engine: ReferenceEngine, graph: Graph, options: CompileOptions, onRelease: () => void) {
    this.name = options.name ?? 'program';
    this.#engine = engine;
    this.#graph = graph;
    this.#frozen = options.frozen ?? new Map();
    checkFrozen(graph, this.#frozen, this.name);
    const own = (buffer: DeviceBuffer) => (buffer instanceof HostBuffer ? buffer : undefined);
    this.#signature = new Signature({ name: this.name, graph, frozen: this.#frozen, own });
    this.inputNames = this.#signature.inputNames;
    this.outputNames = this.#signature.outputNames;
    this.#runs = new ProgramRuns(this.name, onRelease);
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    this.#runs.checkOpen(options.signal);
    this.#signature.checkOutputs(options.outputs ?? {}, this.#signature.checkInputs(inputs));
    return await this.#runs.do<HostBuffer, Record<string, DeviceBuffer>>(async (buffers) => {
      const bound = new Map<string, PlainTensor>();
      for (const { name } of this.#graph.inputs) {
        const given = this.#frozen.get(name) ?? inputs[name];
        const tensor = given instanceof HostBuffer ? buffers.hold(given).contents : (given as HostTensor);
        bound.set(name, { shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) });
      }
      const results = await evaluateGraph(this.#graph, bound, options.signal);
      return Object.fromEntries(
        this.#graph.outputs.map(({ name, value }) => {
          const result = results.get(name);
          invariant(result !== undefined, `output ${name} was not computed`);
          const tensor = hostTensor(value.dtype, result.shape, fromNumbers(value.dtype, result.data));
          const target = options.outputs?.[name] as HostBuffer | undefined;
          target?.overwrite(tensor);
          return [name, target ?? this.#engine.hold(tensor)];
        }),
      );
    });
  }

  release(): Promise<void> {
    return this.#runs.release();
  }
}

/** Evaluates a graph once on host tensors, in float64 throughout: results are not rounded to their element type. */
export async function evaluateOnHost(graph: Graph, inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, PlainTensor>> {
  const bound = new Map(
    Object.entries(inputs).map(([name, tensor]) => [name, { shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) }] as const),
  );
  return Object.fromEntries(await evaluateGraph(graph, bound));
}
