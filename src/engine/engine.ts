// The engine contract: compile a graph, keep tensors on a device, run without copies, cancel, count memory and bytes moved.
import type { Graph } from '#graph';
import type { DimBindings, DType, HostTensor, NarrowFloat } from '#tensor';

export interface BufferType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * One tensor in device memory. It stays there between runs until `release`.
 *
 * Reading after release throws InvariantError.
 */
export interface DeviceBuffer extends BufferType {
  readonly sizeBytes: number;
  readonly isReleased: boolean;
  /** It lies over a tensor of somebody else (`Engine.borrow`), is only read, and takes no memory of its own. */
  readonly isBorrowed: boolean;
  /** Copies to the host; counted as device-to-host bytes. */
  read(): HostTensor;
  /** Overwrites from the host; dtype and shape must match. Counted as host-to-device bytes. */
  write(tensor: HostTensor): void;
  /**
   * Elements `first` to `first + count` in row-major order as a tensor of `shape` ([count] when absent) over the same memory, to be
   * released like any other; the memory stays until both are. Writing to either is seen in the other.
   */
  part(first: number, count: number, shape?: readonly number[]): DeviceBuffer;
  /** Gives the memory back. Safe to call twice. */
  release(): void;
}

export interface CompileOptions {
  /** Shown in errors, dumps and profiles. */
  readonly name?: string;
  /**
   * Inputs that never change while the program lives, with their values. The engine may repack them for its kernels;
   * they are then no longer inputs of the program.
   */
  readonly frozen?: ReadonlyMap<string, HostTensor>;
  /** Threads of one run; the engine's default when absent. */
  readonly threads?: number;
  /** Its runs may be replayed (`RunOptions.replays`), where the device can. @default false */
  readonly replays?: boolean;
}

export interface RunOptions {
  /** Stops the run on the device; the promise then rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  /**
   * Buffers that results are written into. A result may share the buffer of an operand only where the op allows it
   * (the key-value cache). Results without an entry are allocated, and the caller releases them.
   */
  readonly outputs?: Readonly<Record<string, DeviceBuffer>>;
  /**
   * A step that comes again and again over the same buffers in the same shapes: where the device can, its launches are recorded once and replayed.
   * Results without a buffer of the caller's then stay valid only until the next such run. Elsewhere, and for programs compiled without it, nothing changes.
   */
  readonly replays?: boolean;
}

export interface Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Whether runs that ask for it are replayed. Absent: no. */
  readonly replays?: boolean;
  /**
   * Runs once. Host tensors are copied to the device for the run; device buffers are used where they are.
   *
   * The event loop stays free. Runs of one program may overlap.
   * @throws AppError `shape_mismatch` | `dtype_mismatch` | `cancelled` | `engine_failure` | `out_of_memory`
   */
  run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options?: RunOptions): Promise<Record<string, DeviceBuffer>>;
  /** Waits for running calls to end, then frees the program. */
  release(): Promise<void>;
}

export interface PlanOptions {
  /** Shown in errors. */
  readonly name?: string;
  /** What the symbols in the shapes of its inputs stand for. */
  readonly sizes?: DimBindings;
  /** As for `compile`. */
  readonly frozen?: CompileOptions['frozen'];
}

/** Memory that one run takes beside its inputs and outputs. */
export interface RunMemory {
  /** Bytes that the runtime holds for it, rounding and gaps included. */
  readonly scratchBytes: number;
  /** Bytes in use together at most. */
  readonly liveScratchBytes: number;
}

/** Bytes held and moved since the engine was made. */
export interface EngineCounters {
  readonly bufferBytes: number;
  readonly peakBufferBytes: number;
  /** Held by the runtime for scratch space, which all programs of the process share; 0 where it gives no account. */
  readonly scratchBytes: number;
  /** Scratch space that was in use together at most, since the process began. */
  readonly peakScratchBytes: number;
  readonly buffers: number;
  readonly programs: number;
  readonly hostToDeviceBytes: number;
  readonly deviceToHostBytes: number;
}

export interface Engine {
  /** For example `onnx`. */
  readonly name: string;
  /** What computes, with its version: another one may round otherwise. For example `ONNX Runtime 1.30.0`. */
  readonly runtime: string;
  /** For example `cpu`. */
  readonly device: string;
  /** The 16-bit floats that it multiplies matrices of in kernels of its own. Products in others are right too: computed in float32 and rounded. */
  readonly nativeProducts: readonly NarrowFloat[];
  /** Products of 8-bit integers are exact and several times as fast as those of floats. */
  readonly hasFastInt8: boolean;
  /** @throws AppError `engine_failure` when the runtime refuses the graph */
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** What a run of the graph will take, before anything is held. @throws AppError as `compile` */
  planRun(graph: Graph, options?: PlanOptions): Promise<RunMemory>;
  /** A zeroed buffer. */
  allocate(type: BufferType): DeviceBuffer;
  upload(tensor: HostTensor): DeviceBuffer;
  /**
   * A buffer that is only read. Where the device reaches host memory it lies over the tensor's own, so that weights are held once:
   * the tensor must not change while the buffer lives.
   */
  borrow(tensor: HostTensor): DeviceBuffer;
  counters(): EngineCounters;
  /** Frees everything that is still held. */
  dispose(): Promise<void>;
}
