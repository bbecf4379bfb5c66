// Gives the scratch space that no session uses any more back to the system.
import type { Environment } from './environment.ts';
import { identityModel } from './identity-model.ts';
import { zeroedBlock } from './native-memory.ts';
import { Session } from './session.ts';
import { tensorValue } from './tensor-value.ts';

let shrinker: Promise<Session> | undefined;

/**
 * Shrinks the arena that all CPU sessions share, for when a program is released.
 *
 * The runtime offers this only as a setting of a run, so a trivial model is run.
 */
export async function shrinkArena(environment: Environment): Promise<void> {
  shrinker ??= Session.create(environment, identityModel('float32'), { device: { kind: 'cpu', index: 0 }, threads: 1 });
  const session = await shrinker;
  const { api, cpuMemory } = environment;
  const sizeBytes = 4;
  const memory = zeroedBlock(2 * 64);
  const tensor = { sizeBytes, dtype: 'float32', shape: [1] } as const;
  const from = tensorValue(environment, cpuMemory, { ...tensor, pointer: memory.pointer });
  const to = tensorValue(environment, cpuMemory, { ...tensor, pointer: memory.pointer + 64n });
  try {
    session.runHere([from], [to], { 'memory.enable_memory_arena_shrinkage': 'cpu:0' });
  } finally {
    api.ReleaseValue(from);
    api.ReleaseValue(to);
    memory.free();
  }
}
