// The arena that all CPU sessions share: what it holds, and giving back what no session uses any more.
import type { Pointer } from './c-api.ts';
import type { Environment } from './environment.ts';
import { identityModel } from './identity-model.ts';
import { made, zeroedBlock } from './native-memory.ts';
import { Session } from './session.ts';
import { checkStatus } from './status.ts';
import { tensorValue } from './tensor-value.ts';

export interface ArenaStatistics {
  /** Bytes that the arena has from the system. */
  readonly heldBytes: number;
  /** Bytes that were in use together at most, since the process began. */
  readonly peakUsedBytes: number;
}

let opened: Promise<Arena> | undefined;

/** The arena of the process. It is reached through a session of its own, of a trivial model: the runtime offers no other way. */
export function openArena(environment: Environment): Promise<Arena> {
  opened ??= Arena.create(environment);
  return opened;
}

export class Arena {
  readonly #environment: Environment;
  readonly #session: Session;
  readonly #allocator: Pointer;

  private constructor(environment: Environment, session: Session, allocator: Pointer) {
    this.#environment = environment;
    this.#session = session;
    this.#allocator = allocator;
  }

  static async create(environment: Environment): Promise<Arena> {
    const session = await Session.create(environment, identityModel('float32'), { device: { kind: 'cpu', index: 0 }, threads: 1 });
    return new Arena(environment, session, session.createAllocator(environment.cpuMemory));
  }

  statistics(): ArenaStatistics {
    const { api } = this.#environment;
    const pairs = made((out) => checkStatus(api.AllocatorGetStats(this.#allocator, out), 'statistics of the arena'));
    try {
      const number = (key: string): number => Number(api.GetKeyValue(pairs, key) ?? 0);
      return { heldBytes: number('TotalAllocated'), peakUsedBytes: number('MaxInUse') };
    } finally {
      api.ReleaseKeyValuePairs(pairs);
    }
  }

  /** Gives back what is free, for when a program is released. The runtime offers this only as a setting of a run. */
  shrink(): void {
    const { api, cpuMemory } = this.#environment;
    const sizeBytes = 4;
    const memory = zeroedBlock(2 * 64);
    const tensor = { sizeBytes, dtype: 'float32', shape: [1] } as const;
    const from = tensorValue(this.#environment, cpuMemory, { ...tensor, pointer: memory.pointer });
    const to = tensorValue(this.#environment, cpuMemory, { ...tensor, pointer: memory.pointer + 64n });
    try {
      this.#session.runHere([from], [to], { 'memory.enable_memory_arena_shrinkage': 'cpu:0' });
    } finally {
      api.ReleaseValue(from);
      api.ReleaseValue(to);
      memory.free();
    }
  }
}
