// One ONNX Runtime session: created from a model on a pool thread, run on a pool thread, stopped by a signal.
import { AppError, InvariantError } from '#base';
import type { DimBindings } from '#tensor';
import type { Pointer } from './c-api.ts';
import type { Environment } from './environment.ts';
import { HostWeights } from './host-weights.ts';
import { ownOperators } from './kernels/domain.ts';
import { addressOf, made, OutPointer, offHeap, pointerTable, StringTable } from './native-memory.ts';
import { hasOwnOperators, type OnnxModel, writeModel } from './onnx-proto.ts';
import { appendProvider, type Device } from './providers.ts';
import { type Replay, replayEntry } from './replays.ts';
import { withAllNativeThreads, withNativeThread } from './run-gate.ts';
import { checkStatus } from './status.ts';

export interface SessionOptions {
  readonly device: Device;
  /** Threads of one run, the calling one included; they belong to the session and sleep between runs. */
  readonly threads: number;
  /** Prefix of a JSON profile that is written when the session is released. */
  readonly profilePrefix?: string;
  /** Runs with a replay number are recorded and replayed; only on CUDA, and only graphs that run there as a whole. @default false */
  readonly replays?: boolean;
  /** File that the model is written to as the runtime has rewritten it, weights included. */
  readonly optimizedModelPath?: string;
  /** What symbols in the shapes of inputs stand for, so that the runtime knows every shape. */
  readonly sizes?: DimBindings;
}

const allOptimizations = 99;

const configEntries: Readonly<Record<string, string>> = {
  'session.use_env_allocators': '1',
  // Weights get memory of their own, which release gives back; the arena is for what runs come and go with.
  'session.use_device_allocator_for_initializers': '1',
  // A thread that sleeps between two small products wakes too late for the second: without spinning, decoding runs on one
  // core. Spinning for the runtime's default time would take the core from other sessions, so it is kept short.
  'session.intra_op.allow_spinning': '1',
  'session.intra_op.spin_duration_us': '200',
};

export class Session {
  readonly #environment: Environment;
  readonly #pointer: Pointer;
  readonly #name: string;
  readonly #inputNames: StringTable;
  readonly #outputNames: StringTable;
  readonly #numInputs: number;
  readonly #numOutputs: number;
  /** Of runs that have ended: a page for each would be most of what a small run costs. */
  readonly #freeTables: RunTable[] = [];
  readonly #weights: HostWeights;
  readonly #isProfiled: boolean;
  readonly #replays: boolean;

  private constructor(
    environment: Environment,
    pointer: Pointer,
    model: OnnxModel,
    weights: HostWeights,
    { profilePrefix, replays = false }: SessionOptions,
  ) {
    this.#environment = environment;
    this.#pointer = pointer;
    this.#name = model.name;
    this.#inputNames = new StringTable(model.inputs.map(({ name }) => name));
    this.#outputNames = new StringTable(model.outputs.map(({ name }) => name));
    this.#numInputs = model.inputs.length;
    this.#numOutputs = model.outputs.length;
    this.#weights = weights;
    this.#isProfiled = profilePrefix !== undefined;
    this.#replays = replays;
  }

  /** @throws AppError `engine_failure` | `out_of_memory` | `provider_missing` */
  static async create(environment: Environment, model: OnnxModel, options: SessionOptions): Promise<Session> {
    const { api } = environment;
    const place = `compile "${model.name}"`;
    const nativeOptions = made((out) => checkStatus(api.CreateSessionOptions(out), place));
    const weights = new HostWeights(environment, model);
    try {
      configure(environment, nativeOptions, options, place);
      if (hasOwnOperators(model)) checkStatus(api.AddCustomOpDomain(nativeOptions, ownOperators()), place);
      weights.handOver(nativeOptions, place);
      const bytes = serialize(model);
      const out = new OutPointer();
      const address = addressOf(bytes.buffer);
      const status = await withNativeThread(() =>
        callAsync<Pointer | null>([bytes, out.slot], (done) =>
          api.CreateSessionFromArray.async(environment.pointer, address, bytes.length, nativeOptions, addressOf(out.slot.buffer), done),
        ),
      );
      checkStatus(status, place);
      return new Session(environment, out.value, model, weights, options);
    } catch (thrown) {
      weights.release();
      throw thrown;
    } finally {
      api.ReleaseSessionOptions(nativeOptions);
    }
  }

  /**
   * Runs once on a pool thread. Outputs are written into the given values.
   *
   * @param inputs - OrtValue of each input, in the model's order; the caller keeps their memory until the promise settles
   * @param outputs - the same for the outputs
   * @param replay - the number of the recording, where there is one; it cannot be stopped midway then
   * @throws AppError `cancelled` | `engine_failure` | `out_of_memory`
   */
  async run(inputs: readonly Pointer[], outputs: readonly Pointer[], signal?: AbortSignal, replay?: Replay): Promise<void> {
    const { api } = this.#environment;
    const place = `run "${this.#name}"`;
    const table = this.#tableOf(inputs, outputs);
    const entries = Object.entries(replayEntry(this.#replays, replay));
    const enter = replay?.isNew === true ? withAllNativeThreads : withNativeThread;
    await enter(async () => {
      const needsOptions = signal !== undefined || entries.length > 0;
      const runOptions = needsOptions ? made((out) => checkStatus(api.CreateRunOptions(out), place)) : null;
      const stop = (): void => checkStatus(api.RunOptionsSetTerminate(runOptions), place);
      try {
        for (const [key, value] of entries) checkStatus(api.AddRunConfigEntry(runOptions, key, value), place);
        signal?.addEventListener('abort', stop);
        const status = await callAsync<Pointer | null>([table.pointers], (done) =>
          api.Run.async(
            this.#pointer,
            runOptions,
            this.#inputNames.address,
            table.inputs,
            this.#numInputs,
            this.#outputNames.address,
            this.#numOutputs,
            table.outputs,
            done,
          ),
        );
        this.#freeTables.push(table);
        checkStatus(status, place);
      } catch (thrown) {
        throw signal?.aborted === true ? new AppError('cancelled', `${place}: the run was stopped on request.`, { cause: thrown }) : thrown;
      } finally {
        signal?.removeEventListener('abort', stop);
        if (runOptions !== null) api.ReleaseRunOptions(runOptions);
      }
    }, signal);
  }

  /**
   * Runs once on the calling thread, for short copies.
   *
   * @param config - run settings of the runtime, by its own names
   */
  runHere(inputs: readonly Pointer[], outputs: readonly Pointer[], config: Readonly<Record<string, string>> = {}): void {
    const { api } = this.#environment;
    const place = `run "${this.#name}"`;
    const table = this.#tableOf(inputs, outputs);
    const names = [this.#inputNames.address, this.#outputNames.address] as const;
    const runOptions = made((out) => checkStatus(api.CreateRunOptions(out), place));
    try {
      for (const [key, value] of Object.entries(config)) checkStatus(api.AddRunConfigEntry(runOptions, key, value), place);
      checkStatus(
        api.Run(this.#pointer, runOptions, names[0], table.inputs, this.#numInputs, names[1], this.#numOutputs, table.outputs),
        place,
      );
    } finally {
      this.#freeTables.push(table);
      api.ReleaseRunOptions(runOptions);
    }
  }

  #tableOf(inputs: readonly Pointer[], outputs: readonly Pointer[]): RunTable {
    const table = this.#freeTables.pop() ?? new RunTable(this.#numInputs, this.#numOutputs);
    table.set(inputs, outputs);
    return table;
  }

  /** The session's allocator for a memory; the caller releases it before the session. */
  createAllocator(memoryInfo: Pointer): Pointer {
    const { api } = this.#environment;
    return made((out) => checkStatus(api.CreateAllocator(this.#pointer, memoryInfo, out), `allocator of "${this.#name}"`));
  }

  /** Frees the session. No run may be under way, and none may follow. */
  release(): void {
    const { api, cpuAllocator } = this.#environment;
    if (this.#isProfiled) {
      const file = made((out) => checkStatus(api.SessionEndProfiling(this.#pointer, cpuAllocator, out), `profile "${this.#name}"`));
      checkStatus(api.AllocatorFree(cpuAllocator, file), `profile "${this.#name}"`);
    }
    api.ReleaseSession(this.#pointer);
    this.#weights.release();
  }
}

/** The handles of one run: those of its inputs, and behind them those of its outputs. */
class RunTable {
  readonly pointers: BigUint64Array;
  readonly inputs: Pointer;
  readonly outputs: Pointer;
  readonly #numInputs: number;

  constructor(numInputs: number, numOutputs: number) {
    this.pointers = pointerTable(new Array<Pointer>(numInputs + numOutputs).fill(0n));
    this.#numInputs = numInputs;
    this.inputs = addressOf(this.pointers.buffer);
    this.outputs = this.inputs + BigInt(8 * numInputs);
  }

  set(inputs: readonly Pointer[], outputs: readonly Pointer[]): void {
    this.pointers.set(inputs);
    this.pointers.set(outputs, this.#numInputs);
  }
}

function configure(environment: Environment, nativeOptions: Pointer, options: SessionOptions, place: string): void {
  const { api } = environment;
  checkStatus(api.SetSessionGraphOptimizationLevel(nativeOptions, allOptimizations), place);
  // A planned block as large as all scratch space together would stand beside the pieces that the arena already holds.
  checkStatus(api.DisableMemPattern(nativeOptions), place);
  checkStatus(api.SetIntraOpNumThreads(nativeOptions, options.threads), place);
  for (const [key, value] of Object.entries(configEntries)) checkStatus(api.AddSessionConfigEntry(nativeOptions, key, value), place);
  if (options.profilePrefix !== undefined) checkStatus(api.EnableProfiling(nativeOptions, options.profilePrefix), place);
  if (options.optimizedModelPath !== undefined)
    checkStatus(api.SetOptimizedModelFilePath(nativeOptions, options.optimizedModelPath), place);
  for (const [symbol, size] of options.sizes ?? [])
    checkStatus(api.AddFreeDimensionOverrideByName(nativeOptions, symbol, BigInt(size)), place);
  appendProvider(environment, nativeOptions, options.device, options.replays);
}

/** The model's bytes, without its large weights, in memory that keeps its address. */
function serialize(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const message = writeModel(HostWeights.without(model));
  const bytes = new Uint8Array(offHeap(message.sizeBytes), 0, message.sizeBytes);
  message.copyTo(bytes);
  return bytes;
}

/** Starts an asynchronous native call; `memory` is what the call's addresses point to, referenced until it has ended. */
function callAsync<T>(memory: readonly ArrayBufferView[], start: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (memory.length > 0 && error === null) resolve(result);
      else reject(error ?? new InvariantError('an asynchronous call without memory'));
    });
  });
}
