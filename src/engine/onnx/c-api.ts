// The ONNX Runtime C API as typed functions: each is a position in the OrtApi table and a signature.
import koffi from 'koffi';
import { AppError, at, invariant } from '#base';
import { loadRuntime } from './library.ts';

/** An address in native memory; 0n is NULL. */
export type Pointer = bigint;

/** What a pointer argument takes: an address, NULL, or memory that native code reads or fills during the call. */
export type PointerArgument = Pointer | null | ArrayBuffer | BigUint64Array | BigInt64Array | Int32Array | Uint8Array;

/** NULL for success, or an OrtStatus that `checkStatus` turns into an error. */
export type Status = Pointer | null;

interface NativeFunction<Arguments extends readonly unknown[], Result> {
  (...args: Arguments): Result;
  /** Runs on a pool thread; every pointer argument must be off-heap memory that stays referenced until the callback. */
  async(...args: [...Arguments, (error: Error | null, result: Result) => void]): void;
}

// One letter an argument: p pointer, n size_t, i int, l int64, u uint32, s text that lives for the call, w path text.
type ArgumentTypes = {
  readonly p: PointerArgument;
  readonly n: number;
  readonly i: number;
  readonly l: bigint;
  readonly u: number;
  readonly s: string;
  readonly w: string;
};
// One letter a result: v nothing, t OrtStatus, i int, s text owned by the runtime.
type ResultTypes = { readonly v: undefined; readonly t: Status; readonly i: number; readonly s: string };

type Arguments<Letters extends string, Done extends readonly unknown[] = readonly []> = Letters extends `${infer First}${infer Rest}`
  ? First extends keyof ArgumentTypes
    ? Arguments<Rest, readonly [...Done, ArgumentTypes[First]]>
    : never
  : Done;

/** Position in `struct OrtApi`, then `result:arguments`. */
type Entry = readonly [position: number, signature: `${keyof ResultTypes}:${string}`];

type Bound<E extends Entry> = E[1] extends `${infer Result extends keyof ResultTypes}:${infer Letters}`
  ? NativeFunction<Arguments<Letters>, ResultTypes[Result]>
  : never;

/**
 * Positions as the compiler's `offsetof` gives them for onnxruntime_c_api.h, API version 24.
 *
 * The table is append-only: an entry keeps its position in every later release. Parameters are documented in that header.
 */
const entries = {
  GetErrorCode: [1, 'i:p'],
  GetErrorMessage: [2, 's:p'],
  CreateEnv: [3, 't:isp'],
  CreateSessionFromArray: [8, 't:ppnpp'],
  Run: [9, 't:ppppnpnp'],
  CreateSessionOptions: [10, 't:p'],
  SetOptimizedModelFilePath: [11, 't:pw'],
  EnableProfiling: [14, 't:pw'],
  DisableMemPattern: [17, 't:p'],
  SetSessionGraphOptimizationLevel: [23, 't:pi'],
  SetIntraOpNumThreads: [24, 't:pi'],
  CreateCustomOpDomain: [26, 't:pp'],
  CustomOpDomain_Add: [27, 't:pp'],
  AddCustomOpDomain: [28, 't:pp'],
  CreateRunOptions: [39, 't:p'],
  RunOptionsSetTerminate: [46, 't:p'],
  CreateTensorWithDataAsOrtValue: [49, 't:ppnpnip'],
  CreateMemoryInfo: [68, 't:siiip'],
  AllocatorAlloc: [75, 't:pnp'],
  AllocatorFree: [76, 't:pp'],
  GetAllocatorWithDefaultOptions: [78, 't:p'],
  ReleaseStatus: [93, 'v:p'],
  ReleaseMemoryInfo: [94, 'v:p'],
  ReleaseSession: [95, 'v:p'],
  ReleaseValue: [96, 'v:p'],
  ReleaseRunOptions: [97, 'v:p'],
  ReleaseSessionOptions: [100, 'v:p'],
  SessionEndProfiling: [110, 't:ppp'],
  AddFreeDimensionOverrideByName: [124, 't:psl'],
  GetAvailableProviders: [125, 't:pp'],
  ReleaseAvailableProviders: [126, 't:pi'],
  AddSessionConfigEntry: [130, 't:pss'],
  CreateAllocator: [131, 't:ppp'],
  ReleaseAllocator: [132, 'v:p'],
  CreateAndRegisterAllocator: [144, 't:ppp'],
  ReleaseArenaCfg: [157, 'v:p'],
  CreateArenaCfgV2: [164, 't:ppnp'],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, 't:pp'],
  AddRunConfigEntry: [165, 't:pss'],
  CreateCUDAProviderOptions: [205, 't:p'],
  UpdateCUDAProviderOptions: [206, 't:pppn'],
  ReleaseCUDAProviderOptions: [208, 'v:p'],
  AddInitializer: [150, 't:psp'],
  AddExternalInitializers: [210, 't:pppn'],
  SessionOptionsAppendExecutionProvider: [216, 't:psppn'],
  GetBuildInfoString: [254, 's:'],
  GetKeyValue: [297, 's:ps'],
  ReleaseKeyValuePairs: [300, 'v:p'],
  AllocatorGetStats: [319, 't:pp'],
  GetSharedAllocator: [376, 't:ppp'],
} as const satisfies Readonly<Record<string, Entry>>;

/** Positions of functions that the kernels' own code calls, which take addresses. */
const kernelEntries = {
  GetTensorMutableData: 51,
  GetDimensionsCount: 61,
  GetDimensions: 62,
  GetTensorTypeAndShape: 65,
  KernelContext_GetInput: 90,
  KernelContext_GetOutput: 91,
  ReleaseTensorTypeAndShapeInfo: 99,
  KernelContext_ParallelFor: 274,
} as const;

/** Addresses of functions, for machine code that calls them. */
export type KernelFunctions = Readonly<Record<keyof typeof kernelEntries, Pointer>>;

export type OrtApi = { readonly [K in keyof typeof entries]: Bound<(typeof entries)[K]> };

const apiVersion = 24;
const apiSize = 415;

const argumentTypeNames: Readonly<Record<string, string>> = {
  p: 'void *',
  n: 'size_t',
  i: 'int',
  l: 'int64_t',
  u: 'uint32_t',
  s: 'str',
  w: process.platform === 'win32' ? 'str16' : 'str', // ORTCHAR_T
};
const resultTypeNames: Readonly<Record<string, string>> = { v: 'void', t: 'void *', i: 'int', s: 'str' };

function bind(address: Pointer, signature: string): unknown {
  const [result = '', letters = ''] = signature.split(':');
  const prototype = koffi.proto(
    resultTypeNames[result] ?? 'void',
    [...letters].map((letter) => argumentTypeNames[letter] ?? 'void *'),
  );
  return koffi.decode(address, prototype);
}

export interface Runtime {
  readonly version: string;
  readonly api: OrtApi;
  readonly kernelFunctions: KernelFunctions;
}

let runtime: Runtime | undefined;

/**
 * The C API of the packaged runtime, loaded at the first call.
 *
 * @throws AppError `engine_failure` when the library is older than the table above
 */
export function ortRuntime(): Runtime {
  runtime ??= bindRuntime();
  return runtime;
}

function bindRuntime(): Runtime {
  const base: Pointer = loadRuntime().func('OrtGetApiBase', 'void *', [])();
  // struct OrtApiBase { GetApi; GetVersionString }
  const [getApiAddress, getVersionAddress] = addresses(base, 2);
  const version = (bind(at([getVersionAddress ?? 0n], 0), 's:') as NativeFunction<readonly [], string>)();
  const getApi = koffi.decode(getApiAddress, koffi.proto('void *', ['uint32_t'])) as NativeFunction<readonly [number], Pointer | null>;
  const table = getApi(apiVersion);
  if (table === null)
    throw new AppError(
      'engine_failure',
      `onnx engine: ONNX Runtime ${version} does not offer C API version ${apiVersion}. Install the onnxruntime-node release that package.json names.`,
    );
  const positions = addresses(table, apiSize);
  const api = Object.fromEntries(
    Object.entries(entries).map(([name, [position, signature]]) => [name, bind(at(positions, position), signature)]),
  );
  const kernelFunctions = Object.fromEntries(Object.entries(kernelEntries).map(([name, position]) => [name, at(positions, position)]));
  return { version, api: api as OrtApi, kernelFunctions: kernelFunctions as KernelFunctions };
}

function addresses(pointer: Pointer, count: number): Pointer[] {
  return koffi.decode(pointer, koffi.array('void *', count)) as Pointer[];
}

/** Reads `count` C strings from a native array of pointers. */
export function readStrings(pointer: Pointer, count: number): string[] {
  invariant(pointer !== 0n, 'the runtime gave no list of strings');
  return koffi.decode(pointer, koffi.array('str', count)) as string[];
}
