// A compiled graph: checks what a run is given, binds buffers, runs, and waits for its runs before it is freed.
import { AppError, at, invariant } from '#base';
import type { DeviceBuffer, Program, RunOptions } from '#engine';
import type { Graph } from '#graph';
import { evaluateShape, type HostTensor, sizeOf } from '#tensor';
import { Signature } from '../signature.ts';
import { type BufferPool, OnnxBuffer } from './buffer.ts';
import { type Replay, Replays } from './replays.ts';
import type { Session } from './session.ts';

export interface ProgramOptions {
  readonly name: string;
  readonly graph: Graph;
  readonly frozen: ReadonlyMap<string, HostTensor>;
  readonly session: Session;
  readonly pool: BufferPool;
  /** Whether the session records runs. */
  readonly replays: boolean;
  readonly onRelease: (program: OnnxProgram) => Promise<void>;
}

/** States: open → closing (runs under way end, new ones are refused) → released. */
export class OnnxProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #signature: Signature;
  readonly #session: Session;
  readonly #pool: BufferPool;
  readonly #onRelease: (program: OnnxProgram) => Promise<void>;
  readonly #replays: Replays | undefined;
  readonly #running = new Set<Promise<void>>();
  #released: Promise<void> | undefined;

  constructor({ name, graph, frozen, session, pool, replays, onRelease }: ProgramOptions) {
    this.name = name;
    this.#signature = new Signature({ name, graph, frozen, own: (buffer) => (buffer instanceof OnnxBuffer ? buffer : undefined) });
    this.inputNames = this.#signature.inputNames;
    this.outputNames = this.#signature.outputNames;
    this.#session = session;
    this.#pool = pool;
    this.#replays = replays ? new Replays(pool) : undefined;
    this.#onRelease = onRelease;
  }

  get replays(): boolean {
    return this.#replays?.isOn === true;
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    invariant(this.#released === undefined, `program "${this.name}" is used after release`);
    if (options.signal?.aborted === true) throw new AppError('cancelled', `run "${this.name}": the run was stopped on request.`);
    const bindings = this.#signature.checkInputs(inputs);
    this.#signature.checkOutputs(options.outputs ?? {}, bindings);
    const replays = options.replays === true && this.replays ? this.#replays : undefined;
    const held: OnnxBuffer[] = [];
    const made: OnnxBuffer[] = [];
    try {
      const operands = this.#signature.inputs.map(({ name }) => {
        const given = known(inputs[name]);
        if (given instanceof OnnxBuffer) return hold(given, held);
        if (replays !== undefined) return hold(replays.staged(name, given as HostTensor), held);
        const uploaded = this.#pool.stage(given as HostTensor);
        hold(uploaded, held).release();
        return uploaded;
      });
      const results = this.#signature.outputs.map(({ name, value }) => {
        const given = options.outputs?.[name];
        if (given !== undefined) return hold(given as OnnxBuffer, held);
        const type = { dtype: value.dtype, shape: evaluateShape(value.shape, bindings) };
        const result = replays?.result(name, type) ?? this.#pool.allocateResult(type);
        if (replays === undefined) made.push(result);
        return hold(result, held);
      });
      await this.#track(this.#execute(operands, results, options.signal, replays));
      // The program keeps its own results; callers release what they are given.
      const given = results.map((buffer, index) => {
        const isOwn = replays !== undefined && options.outputs?.[at(this.#signature.outputs, index).name] === undefined;
        return isOwn ? buffer.part(0, sizeOf(buffer.shape), buffer.shape) : buffer;
      });
      return Object.fromEntries(this.#signature.outputs.map(({ name }, index) => [name, at(given, index)]));
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
    this.#replays?.release();
    await this.#onRelease(this);
  }

  /** A run that cannot be recorded is done again without, and so are all later ones. */
  async #execute(
    operands: readonly OnnxBuffer[],
    results: readonly OnnxBuffer[],
    signal: AbortSignal | undefined,
    replays: Replays | undefined,
  ): Promise<void> {
    const run = (replay?: Replay): Promise<void> =>
      this.#session.run(
        operands.map((buffer) => buffer.heldValue),
        results.map((buffer) => buffer.heldValue),
        signal,
        replay,
      );
    const replay = replays?.of([...operands, ...results]);
    if (replay === undefined) return run();
    try {
      await run(replay);
    } catch (thrown) {
      if (AppError.from(thrown).code !== 'engine_failure') throw thrown;
      replays?.turnOff();
      await run();
    }
  }

  async #track(run: Promise<void>): Promise<void> {
    this.#running.add(run);
    try {
      await run;
    } finally {
      this.#running.delete(run);
    }
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
