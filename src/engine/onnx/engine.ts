// The ONNX Runtime engine: compiles graphs to sessions and hands out device memory.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, invariant } from '#base';
import type { BufferType, CompileOptions, DeviceBuffer, Engine, EngineCounters, PlanOptions, Program, RunMemory } from '#engine';
import type { Graph } from '#graph';
import type { HostTensor, NarrowFloat } from '#tensor';
import { Counters } from '../counters.ts';
import { checkFrozen } from '../signature.ts';
import { type Arena, openArena } from './arena.ts';
import { BufferPool } from './buffer.ts';
import { CpuMemory, type DeviceMemory } from './device-memory.ts';
import { dumpGraph, fileStem } from './dump.ts';
import { type Environment, ortEnvironment } from './environment.ts';
import { createGpuMemory } from './gpu-memory.ts';
import { areOwnWanted, probeInt8, probeOwnKernels } from './int8-probe.ts';
import { lowerGraph } from './lower.ts';
import type { Int8Weights, NarrowProducts } from './lowering.ts';
import { probeNBits } from './n-bits-probe.ts';
import { probeProducts } from './product-probe.ts';
import { OnnxProgram } from './program.ts';
import { type Device, parseDevice, printDevice } from './providers.ts';
import { canReplay, withoutReplays } from './replays.ts';
import { planRun } from './run-plan.ts';
import { Session } from './session.ts';
import { joinSiblingProducts } from './sibling-products.ts';

export interface OnnxEngineOptions {
  /** `cpu`, `cuda:N`, `webgpu:0`, or `auto`: the first of CUDA and CPU that is there. @default 'cpu' */
  readonly device?: string;
  /** Threads of one run. @default all processors */
  readonly threads?: number;
  /** `own`: those in `kernels/` where the processor has the instructions. @default the ATHANOR_KERNELS environment variable, or own */
  readonly kernels?: 'own' | 'runtime';
  /** Folder for a JSON profile of every program, written when the program is released. @default none */
  readonly profileFolder?: string;
  /** Folder for the text and the ONNX model of every compiled graph. @default the DUMP environment variable */
  readonly dumpFolder?: string;
}

/** @throws AppError `provider_missing` | `invalid_argument` */
export async function createOnnxEngine(options: OnnxEngineOptions = {}): Promise<Engine> {
  const environment = ortEnvironment();
  const { threads } = options;
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1))
    throw new AppError('invalid_argument', `threads: must be a whole number of at least 1, got ${threads}.`, {
      details: { field: 'threads' },
    });
  const text = options.device ?? 'cpu';
  if (text === 'auto') {
    try {
      return await createOn(environment, parseDevice('cuda'), options);
    } catch (thrown) {
      if (AppError.from(thrown).code !== 'provider_missing') throw thrown;
      return createOn(environment, parseDevice('cpu'), options);
    }
  }
  return createOn(environment, parseDevice(text), options);
}

async function createOn(environment: Environment, device: Device, options: OnnxEngineOptions): Promise<Engine> {
  const memory = device.kind === 'cpu' ? new CpuMemory(environment) : await createGpuMemory(environment, device);
  const kernels = {
    nBitsKernels: await probeNBits(environment, device),
    int8Weights: await probeInt8(environment, device),
    ownKernels: areOwnWanted(options.kernels) && (await probeOwnKernels(environment, device)),
    narrowProducts: await probeProducts(environment, device),
  };
  return new OnnxEngine(environment, device, memory, { ...kernels, arena: await openArena(environment) }, options);
}

/** What the probes found on the device, and where sessions on the CPU have their scratch space. */
interface Runtime {
  readonly arena: Arena;
  readonly nBitsKernels: ReadonlySet<number>;
  readonly int8Weights: Int8Weights | undefined;
  readonly ownKernels: boolean;
  readonly narrowProducts: NarrowProducts;
}

class OnnxEngine implements Engine {
  readonly name = 'onnx';
  readonly runtime: string;
  readonly device: string;
  readonly nativeProducts: readonly NarrowFloat[];
  readonly hasFastInt8: boolean;
  readonly #environment: Environment;
  readonly #device: Device;
  readonly #memory: DeviceMemory;
  readonly #kernels: Omit<Runtime, 'arena'>;
  readonly #arena: Arena;
  readonly #options: OnnxEngineOptions;
  readonly #dumpFolder: string | undefined;
  readonly #counters = new Counters();
  readonly #pool: BufferPool;
  readonly #programs = new Set<OnnxProgram>();
  #isDisposed = false;

  constructor(environment: Environment, device: Device, memory: DeviceMemory, { arena, ...kernels }: Runtime, options: OnnxEngineOptions) {
    this.runtime = `ONNX Runtime ${environment.version}${kernels.ownKernels ? ' and own kernels' : ''}`;
    this.device = printDevice(device);
    this.nativeProducts = [...kernels.narrowProducts.keys()];
    this.#environment = environment;
    this.#device = device;
    this.#memory = memory;
    this.#kernels = kernels;
    // Unsigned weights are what older processors multiply, at the speed of floats.
    this.hasFastInt8 = kernels.int8Weights === 'int8';
    this.#arena = arena;
    this.#options = options;
    this.#dumpFolder = options.dumpFolder ?? process.env['DUMP'];
    this.#pool = new BufferPool(environment, memory, this.#counters);
  }

  async compile(wanted: Graph, options: CompileOptions = {}): Promise<Program> {
    this.#checkOpen();
    const name = options.name ?? 'program';
    const given = options.frozen ?? new Map<string, HostTensor>();
    checkFrozen(wanted, given, name);
    const { graph, frozen } = joinSiblingProducts({ graph: wanted, frozen: given });
    const model = lowerGraph(graph, { name, frozen, portable: false, ...this.#kernels });
    if (this.#dumpFolder !== undefined) await dumpGraph(this.#dumpFolder, graph, model);
    const { profileFolder } = this.#options;
    if (profileFolder !== undefined) await mkdir(profileFolder, { recursive: true });
    const settings = {
      device: this.#device,
      threads: options.threads ?? this.#options.threads ?? this.#environment.threads,
      ...(profileFolder === undefined ? {} : { profilePrefix: join(profileFolder, fileStem(name)) }),
    };
    const isWanted = options.replays === true && canReplay(this.#device);
    const { session, replays } = await withoutReplays(isWanted, (tried) =>
      Session.create(this.#environment, model, { ...settings, replays: tried }),
    );
    const onRelease = (released: OnnxProgram): Promise<void> => this.#forget(released);
    const program = new OnnxProgram({ name, graph, frozen, session, replays, pool: this.#pool, onRelease });
    this.#programs.add(program);
    this.#counters.programMade();
    return program;
  }

  async planRun(wanted: Graph, options: PlanOptions = {}): Promise<RunMemory> {
    this.#checkOpen();
    const { graph, frozen } = joinSiblingProducts({ graph: wanted, frozen: options.frozen ?? new Map<string, HostTensor>() });
    const session = { device: this.#device, threads: 1 };
    return await planRun(this.#environment, graph, { ...options, frozen, session, kernels: this.#kernels });
  }

  allocate(type: BufferType): DeviceBuffer {
    this.#checkOpen();
    return this.#pool.allocate(type);
  }

  upload(tensor: HostTensor): DeviceBuffer {
    this.#checkOpen();
    return this.#pool.upload(tensor);
  }

  borrow(tensor: HostTensor): DeviceBuffer {
    this.#checkOpen();
    return this.#pool.borrow(tensor);
  }

  counters(): EngineCounters {
    const { heldBytes, peakUsedBytes } = this.#arena.statistics();
    return this.#counters.snapshot({ scratchBytes: heldBytes, peakScratchBytes: peakUsedBytes });
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    await Promise.all([...this.#programs].map((program) => program.release()));
    this.#pool.freeAll();
    this.#memory.dispose();
  }

  async #forget(program: OnnxProgram): Promise<void> {
    if (!this.#programs.delete(program)) return;
    this.#counters.programFreed();
    this.#arena.shrink();
  }

  #checkOpen(): void {
    invariant(!this.#isDisposed, 'the onnx engine is used after dispose');
  }
}
