// The one ONNX Runtime environment of the process: its providers and the arena that all CPU sessions share.
import { availableParallelism } from 'node:os';
import { invariant } from '#base';
import { type OrtApi, ortRuntime, type Pointer, readStrings } from './c-api.ts';
import { int64Table, made, StringTable } from './native-memory.ts';
import { checkStatus } from './status.ts';

export interface Environment {
  readonly api: OrtApi;
  /** Version of the runtime, for example `1.30.0`. */
  readonly version: string;
  readonly pointer: Pointer;
  /** OrtMemoryInfo of plain CPU memory. */
  readonly cpuMemory: Pointer;
  /** Allocator of plain CPU memory; owned by the runtime. */
  readonly cpuAllocator: Pointer;
  /** Allocator of the arena that all CPU sessions take their scratch space from; owned by the runtime. */
  readonly arena: Pointer;
  /** Processors that this process may use: the default number of threads of a run. */
  readonly threads: number;
  /** Providers that the library was built with, for example `CPUExecutionProvider`. */
  readonly providers: readonly string[];
}

const fatal = 4; // failures come back as statuses: the runtime need not print them as well
const deviceAllocator = 0;
const arenaAllocator = 1;
const defaultMemory = 0;
/** Read by the attention kernel over a cache when a session is made. */
const blockwiseAttentionOff = 'ORT_GQA_DISABLE_FLASH_ATTENTION';

let environment: Environment | undefined;

/** Created at the first call and kept for the life of the process, as the runtime asks. */
export function ortEnvironment(): Environment {
  environment ??= createEnvironment();
  return environment;
}

function createEnvironment(): Environment {
  const { api, version } = ortRuntime();
  const place = 'onnx engine start';
  // Whole products of a head take half the time of the blockwise kernel on prompts, and the same with long caches.
  process.env[blockwiseAttentionOff] ??= '1';
  const pointer = made((out) => checkStatus(api.CreateEnv(fatal, 'athanor', out), place));
  const arena = registerArena(api, pointer, place);
  return {
    api,
    version,
    pointer,
    cpuMemory: made((out) => checkStatus(api.CreateMemoryInfo('Cpu', deviceAllocator, 0, defaultMemory, out), place)),
    cpuAllocator: made((out) => checkStatus(api.GetAllocatorWithDefaultOptions(out), place)),
    arena,
    threads: availableParallelism(),
    providers: availableProviders(api, place),
  };
}

/** One arena for all sessions: what one program used as scratch space, the next one reuses. It grows by what is asked for. */
function registerArena(api: OrtApi, environmentPointer: Pointer, place: string): Pointer {
  const memory = made((out) => checkStatus(api.CreateMemoryInfo('Cpu', arenaAllocator, 0, defaultMemory, out), place));
  const sameAsRequested = 1;
  const keys = new StringTable(['arena_extend_strategy']);
  const values = int64Table([sameAsRequested]);
  const config = made((out) => checkStatus(api.CreateArenaCfgV2(keys.table, values, 1, out), place));
  checkStatus(api.CreateAndRegisterAllocator(environmentPointer, memory, config), place);
  api.ReleaseArenaCfg(config);
  const arena = made((out) => checkStatus(api.GetSharedAllocator(environmentPointer, memory, out), place));
  api.ReleaseMemoryInfo(memory);
  invariant(arena !== 0n, 'the runtime does not know the arena that was just registered');
  return arena;
}

function availableProviders(api: OrtApi, place: string): string[] {
  const count = new Int32Array(new ArrayBuffer(4));
  const names = made((out) => checkStatus(api.GetAvailableProviders(out, count), place));
  const [length = 0] = count;
  const providers = readStrings(names, length);
  checkStatus(api.ReleaseAvailableProviders(names, length), place);
  return providers;
}
