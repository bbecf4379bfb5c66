// A compiled graph: checks what a run is given, binds buffers, runs, and waits for its runs before it is freed.
import { AppError, at, invariant } from '#base';
import type { DeviceBuffer, Program, RunOptions } from '#engine';
import type { Graph } from '#graph';
import { evaluateShape, type HostTensor, sizeOf } from '#tensor';
import { ProgramRuns, type RunBuffers } from '../program-runs.ts';
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

export class OnnxProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #signature: Signature;
  readonly #session: Session;
  readonly #pool: BufferPool;
  readonly #replays: Replays | undefined;
  readonly #runs: ProgramRuns;

  constructor({ name, graph, frozen, session, pool, replays, onRelease }: ProgramOptions) {
    this.name = name;
    this.#signature = new Signature({ name, graph, frozen, own: (buffer) => (buffer instanceof OnnxBuffer ? buffer : undefined) });
    this.inputNames = this.#signature.inputNames;
    this.outputNames = this.#signature.outputNames;
    this.#session = session;
    this.#pool = pool;
    this.#replays = replays ? new Replays(pool) : undefined;
    this.#runs = new ProgramRuns(name, async () => {
      this.#session.release();
      this.#replays?.release();
      await onRelease(this);
    });
  }

  get replays(): boolean {
    return this.#replays?.isOn === true;
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    this.#runs.checkOpen(options.signal);
    const bindings = this.#signature.checkInputs(inputs);
    this.#signature.checkOutputs(options.outputs ?? {}, bindings);
    const replays = options.replays === true && this.replays ? this.#replays : undefined;
    return await this.#runs.do<OnnxBuffer, Record<string, DeviceBuffer>>(async (buffers) => {
      const operands = this.#signature.inputs.map(({ name }) => this.#operand(name, inputs[name], buffers, replays));
      const results = this.#signature.outputs.map(({ name, value }) => {
        const given = options.outputs?.[name];
        if (given !== undefined) return buffers.hold(given as OnnxBuffer);
        const type = { dtype: value.dtype, shape: evaluateShape(value.shape, bindings) };
        const kept = replays?.result(name, type);
        return kept === undefined ? buffers.holdMade(this.#pool.allocateResult(type)) : buffers.hold(kept);
      });
      await this.#execute(operands, results, options.signal, replays);
      // The program keeps its own results; callers release what they are given.
      const given = results.map((buffer, index) => {
        const isOwn = replays !== undefined && options.outputs?.[at(this.#signature.outputs, index).name] === undefined;
        return isOwn ? buffer.part(0, sizeOf(buffer.shape), buffer.shape) : buffer;
      });
      return Object.fromEntries(this.#signature.outputs.map(({ name }, index) => [name, at(given, index)]));
    });
  }

  release(): Promise<void> {
    return this.#runs.release();
  }

  #operand(
    name: string,
    given: DeviceBuffer | HostTensor | undefined,
    buffers: RunBuffers<OnnxBuffer>,
    replays: Replays | undefined,
  ): OnnxBuffer {
    invariant(given !== undefined, 'inputs were checked before');
    if (given instanceof OnnxBuffer) return buffers.hold(given);
    if (replays !== undefined) return buffers.hold(replays.staged(name, given as HostTensor));
    const uploaded = buffers.hold(this.#pool.stage(given as HostTensor));
    // It goes with the run.
    uploaded.release();
    return uploaded;
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
}
