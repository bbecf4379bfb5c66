// Recorded runs (CUDA graphs): which runs are recorded under which number, over which buffers, and what happens where recording fails.
import { AppError } from '#base';
import type { BufferType } from '#engine';
import { type HostTensor, printShape } from '#tensor';
import type { BufferPool, OnnxBuffer } from './buffer.ts';
import type { Device } from './providers.ts';

/** One run by its recording. */
export interface Replay {
  readonly id: number;
  /** It may be recorded now: a recording fails where another thread allocates device memory meanwhile. */
  readonly isNew: boolean;
}

/** Only CUDA records runs. */
export function canReplay({ kind }: Device): boolean {
  return kind === 'cuda';
}

/** The run's setting by the runtime's own name: the number of the recording, or -1 for a run that is not recorded. */
export function replayEntry(isRecording: boolean, replay: Replay | undefined): Readonly<Record<string, string>> {
  return isRecording ? { gpu_graph_id: `${replay?.id ?? -1}` } : {};
}

/** Makes a session that records, or one that does not where the runtime refuses: graphs of which a part runs on the CPU cannot be recorded. */
export async function withoutReplays<S>(
  isWanted: boolean,
  create: (replays: boolean) => Promise<S>,
): Promise<{ session: S; replays: boolean }> {
  if (isWanted) {
    try {
      return { session: await create(true), replays: true };
    } catch (thrown) {
      if (AppError.from(thrown).code !== 'engine_failure') throw thrown;
    }
  }
  return { session: await create(false), replays: false };
}

/** Recordings hold memory of their own: further shapes run without. */
const mostRecordings = 64;
/** Runs of one recording that are alone on the device: each thread of the pool that comes to it makes its own. */
const runsAlone = 8;

/** The recordings of one program, with the buffers that stand in for host tensors and results: a recording knows addresses, not names. */
export class Replays {
  readonly #pool: Pick<BufferPool, 'allocate'>;
  readonly #most: number;
  readonly #fixed = new Map<string, OnnxBuffer>();
  readonly #numbers = new Map<string, { readonly id: number; runs: number }>();
  #isOff = false;

  constructor(pool: Pick<BufferPool, 'allocate'>, most = mostRecordings) {
    this.#pool = pool;
    this.#most = most;
  }

  /** Whether recording is still tried. */
  get isOn(): boolean {
    return !this.#isOff;
  }

  /** After a failure nothing is recorded any more. */
  turnOff(): void {
    this.#isOff = true;
  }

  /** The number of a run over these addresses and shapes; undefined once there are too many. */
  of(places: readonly { readonly address: bigint; readonly shape: readonly number[] }[]): Replay | undefined {
    const key = places.map(({ address, shape }) => `${address} ${printShape(shape)}`).join();
    const known = this.#numbers.get(key);
    if (known !== undefined) {
      known.runs += 1;
      return { id: known.id, isNew: known.runs <= runsAlone };
    }
    if (this.#numbers.size >= this.#most) return undefined;
    const id = this.#numbers.size + 1;
    this.#numbers.set(key, { id, runs: 1 });
    return { id, isNew: true };
  }

  /** A buffer of the program's own for an input that comes from the host: always the same one for a shape. */
  staged(name: string, tensor: HostTensor): OnnxBuffer {
    const buffer = this.result(`input ${name}`, tensor);
    buffer.write(tensor);
    return buffer;
  }

  /** The same for a result. */
  result(name: string, type: BufferType): OnnxBuffer {
    const key = `${name} ${type.dtype} ${printShape(type.shape)}`;
    const known = this.#fixed.get(key);
    if (known !== undefined) return known;
    const made = this.#pool.allocate(type);
    this.#fixed.set(key, made);
    return made;
  }

  release(): void {
    for (const buffer of this.#fixed.values()) buffer.release();
    this.#fixed.clear();
  }
}
