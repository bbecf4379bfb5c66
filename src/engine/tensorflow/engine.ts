// The TensorFlow engine: graphs become plans that a worker carries out op by op, on memory that stays there.
import { AppError, invariant } from '#base';
import type { BufferType, CompileOptions, DeviceBuffer, Engine, EngineCounters, PlanOptions, Program, RunMemory } from '#engine';
import type { Graph } from '#graph';
import { type HostTensor, type NarrowFloat, narrowFloats } from '#tensor';
import { Counters } from '../counters.ts';
import { livenessOf } from '../liveness.ts';
import { checkFrozen } from '../signature.ts';
import { BufferPool } from './buffer.ts';
import { findBinding, remedy } from './library.ts';
import { TensorflowProgram } from './program.ts';
import { WorkerLink } from './worker-link.ts';

export const tensorflowDevices = ['tensorflow', 'tensorflow:cpu', 'tensorflow:gpu'] as const;

export type TensorflowDevice = (typeof tensorflowDevices)[number];

export interface TensorflowEngineOptions {
  /** `tensorflow` takes the GPU where the linked TensorFlow sees one. @default 'tensorflow' */
  readonly device?: TensorflowDevice;
  /** Threads of one op. @default all processors */
  readonly threads?: number;
  /** Names the binding's folder by ATHANOR_TENSORFLOW. @default process.env */
  readonly environment?: NodeJS.ProcessEnv;
}

export interface TensorflowEngine extends Engine {
  /** Of TensorFlow. */
  readonly version: string;
  /** Tensors that TensorFlow holds for this engine, constants included: what a leak would make grow. */
  numTensors(): number;
}

/** @throws AppError `provider_missing` | `invalid_argument` */
export async function createTensorflowEngine(options: TensorflowEngineOptions = {}): Promise<TensorflowEngine> {
  const { device = 'tensorflow', threads, environment = process.env } = options;
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1))
    throw new AppError('invalid_argument', `threads: must be a whole number of at least 1, got ${threads}.`, {
      details: { field: 'threads' },
    });
  const found = findBinding(environment);
  if ('problem' in found) throw new AppError('provider_missing', `device ${device}: ${found.problem}`);
  const link = await withVariables(startVariables(device, threads), () => WorkerLink.start(found.path, remedy));
  if (device === 'tensorflow:gpu' && !link.isGpu) {
    await link.end();
    throw new AppError(
      'provider_missing',
      `device ${device}: TensorFlow ${link.version} sees no GPU. Link it with --gpu and install the driver, or choose tensorflow:cpu.`,
    );
  }
  return new LinkedEngine(link);
}

/** What TensorFlow reads from the environment when it starts, and has no function for in the binding. */
function startVariables(device: TensorflowDevice, threads: number | undefined): Readonly<Record<string, string>> {
  return {
    TF_CPP_MIN_LOG_LEVEL: process.env['TF_CPP_MIN_LOG_LEVEL'] ?? '2',
    ...(threads === undefined ? {} : { TF_NUM_INTRAOP_THREADS: `${threads}` }),
    // Limit: only the first engine of a process decides, because CUDA reads it once.
    ...(device === 'tensorflow:cpu' ? { CUDA_VISIBLE_DEVICES: '-1' } : {}),
  };
}

/** The worker shares the environment of the process: it is changed while the worker starts. */
async function withVariables<Result>(variables: Readonly<Record<string, string>>, work: () => Promise<Result>): Promise<Result> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
}

class LinkedEngine implements TensorflowEngine {
  readonly name = 'tensorflow';
  readonly runtime: string;
  readonly device: string;
  readonly nativeProducts: readonly NarrowFloat[];
  /** Products of codes are computed in floats here. */
  readonly hasFastInt8 = false;
  readonly version: string;
  readonly #link: WorkerLink;
  readonly #counters = new Counters();
  readonly #pool: BufferPool;
  readonly #programs = new Set<TensorflowProgram>();
  #numPlans = 0;
  #isDisposed = false;

  constructor(link: WorkerLink) {
    this.device = link.isGpu ? 'tensorflow:gpu' : 'tensorflow:cpu';
    // On CPUs it has kernels for both, which are no faster than those for float32.
    this.nativeProducts = link.isGpu ? narrowFloats : [];
    this.runtime = `TensorFlow ${link.version}`;
    this.version = link.version;
    this.#link = link;
    this.#pool = new BufferPool(link, this.#counters);
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    this.#checkOpen();
    const name = options.name ?? 'program';
    const frozen = options.frozen ?? new Map<string, HostTensor>();
    checkFrozen(graph, frozen, name);
    const program = new TensorflowProgram({
      name,
      graph,
      frozen,
      pool: this.#pool,
      newPlan: () => ++this.#numPlans,
      onRelease: (released) => {
        if (this.#programs.delete(released)) this.#counters.programFreed();
      },
    });
    this.#programs.add(program);
    this.#counters.programMade();
    return program;
  }

  async planRun(graph: Graph, { sizes }: PlanOptions = {}): Promise<RunMemory> {
    return livenessOf(graph, sizes);
  }

  allocate(type: BufferType): DeviceBuffer {
    this.#checkOpen();
    return this.#pool.allocate(type);
  }

  upload(tensor: HostTensor): DeviceBuffer {
    this.#checkOpen();
    return this.#pool.upload(tensor);
  }

  /** A copy: TensorFlow's memory is its own. */
  borrow(tensor: HostTensor): DeviceBuffer {
    return this.upload(tensor);
  }

  counters(): EngineCounters {
    return this.#counters.snapshot();
  }

  numTensors(): number {
    const answer = this.#link.ask({ kind: 'countTensors' });
    invariant(answer.kind === 'count', 'a question for a count is answered by one');
    return answer.count;
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    await Promise.all([...this.#programs].map((program) => program.release()));
    this.#pool.freeAll();
    await this.#link.end();
  }

  #checkOpen(): void {
    invariant(!this.#isDisposed, 'the tensorflow engine is used after dispose');
  }
}
