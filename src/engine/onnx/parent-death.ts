// A process that goes with the one that started it, also while it is stopped.
import { systemLibrary } from './library.ts';

const setDeathSignal = 1; // PR_SET_PDEATHSIG
const killed = 9; // SIGKILL

/** Has the system kill this process when its parent dies. Only Linux can; elsewhere nothing happens. */
export function endWithParent(): void {
  if (process.platform !== 'linux') return;
  const control = systemLibrary().func('prctl', 'int', ['int', 'uint64', 'uint64', 'uint64', 'uint64']) as (
    ...given: readonly number[]
  ) => number;
  control(setDeathSignal, killed, 0, 0, 0);
}
