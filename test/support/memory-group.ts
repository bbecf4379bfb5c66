// A control group with a memory limit of its own: what goes over it is ended by the kernel, as in a container.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryGroup {
  /** Put before a command, it starts the command in the group. */
  readonly launch: readonly string[];
  /** Processes of the group that the kernel has ended for their memory. */
  kills(): number;
  /** Largest memory of the group so far, caches of files included. */
  peakBytes(): number;
  /** All processes have ended before. */
  remove(): void;
}

interface Layout {
  readonly folder: string;
  readonly limit: string;
  readonly peak: string;
  /** Has a line `oom_kill N`. */
  readonly events: string;
}

/** Where this process' own group is: the first hierarchy of memory, or the one of everything. */
function layoutHere(): Layout | undefined {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const inMemory = lines.flatMap((line) => /^\d+:memory:(.*)$/.exec(line)?.[1] ?? [])[0];
  if (inMemory !== undefined)
    return {
      folder: join('/sys/fs/cgroup/memory', inMemory),
      limit: 'memory.limit_in_bytes',
      peak: 'memory.max_usage_in_bytes',
      events: 'memory.oom_control',
    };
  const unified = lines.flatMap((line) => /^0::(.*)$/.exec(line)?.[1] ?? [])[0];
  if (unified === undefined) return undefined;
  return { folder: join('/sys/fs/cgroup', unified), limit: 'memory.max', peak: 'memory.peak', events: 'memory.events' };
}

/** @returns undefined where this system or this user may not make one */
export function makeMemoryGroup(limitBytes: number): MemoryGroup | undefined {
  if (process.platform !== 'linux') return undefined;
  const layout = layoutHere();
  if (layout === undefined || !existsSync(join(layout.folder, 'cgroup.procs'))) return undefined;
  const folder = join(layout.folder, `athanor-test-${randomUUID()}`);
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const remove = (): void => {
    if (existsSync(folder)) rmdirSync(folder);
  };
  try {
    mkdirSync(folder);
    writeFileSync(join(folder, layout.limit), String(limitBytes));
  } catch {
    remove();
    return undefined;
  }
  return {
    launch: ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', join(folder, 'cgroup.procs')],
    kills: () => Number(/^oom_kill (\d+)$/m.exec(read(layout.events))?.[1] ?? 0),
    peakBytes: () => Number(read(layout.peak)),
    remove,
  };
}
