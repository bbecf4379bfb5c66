// Execution providers: which device a session runs on, and what to install when that is not possible.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '#base';
import type { Pointer } from './c-api.ts';
import { namesVersion, preloadCudaLibraries } from './cuda-libraries.ts';
import type { Environment } from './environment.ts';
import { runtimeFolder } from './library.ts';
import { made, StringTable } from './native-memory.ts';
import { checkStatus } from './status.ts';

export type DeviceKind = 'cpu' | 'cuda' | 'webgpu';

export interface Device {
  readonly kind: DeviceKind;
  readonly index: number;
}

/** What each kind is called by the runtime: the provider, and the memory it allocates. */
export const providerNames: Readonly<Record<DeviceKind, { readonly provider: string; readonly memory: string }>> = {
  cpu: { provider: 'CPUExecutionProvider', memory: 'Cpu' },
  cuda: { provider: 'CUDAExecutionProvider', memory: 'Cuda' },
  webgpu: { provider: 'WebGpuExecutionProvider', memory: 'WebGPU_Buffer' },
};

/** Reads `cpu`, `cuda`, `cuda:1`, `webgpu`, `webgpu:0`. @throws AppError `invalid_argument` */
export function parseDevice(text: string): Device {
  const match = /^(cpu|cuda|webgpu)(?::(\d+))?$/.exec(text);
  if (match === null)
    throw new AppError('invalid_argument', `device: "${text}" is not one of auto, cpu, cuda:N, webgpu:N.`, {
      details: { field: 'device' },
    });
  const device: Device = { kind: match[1] as DeviceKind, index: Number(match[2] ?? 0) };
  // The CPU is one device, and the WebGPU provider takes the adapter that the driver names first.
  if (device.kind !== 'cuda' && device.index !== 0)
    throw new AppError('invalid_argument', `device: there is only ${device.kind}:0, got "${text}".`, { details: { field: 'device' } });
  return device;
}

export function printDevice({ kind, index }: Device): string {
  return kind === 'cpu' ? 'cpu' : `${kind}:${index}`;
}

const cudaLibraries: Readonly<Record<string, string>> = {
  linux: 'libonnxruntime_providers_cuda.so',
  win32: 'onnxruntime_providers_cuda.dll',
};

/**
 * Adds the device's provider to session options; the CPU provider is always there behind it.
 *
 * @throws AppError `provider_missing` that names what to install
 */
export function appendProvider(environment: Environment, options: Pointer, device: Device, replays = false): void {
  if (device.kind === 'cuda') appendCuda(environment, options, device, replays);
  if (device.kind === 'webgpu') appendWebGpu(environment, options, device);
}

/** Settings of the CUDA provider, by its own names. @param replays - runs with a number of their own are recorded and replayed (`replayEntry`) */
export function cudaSettings({ index }: Device, replays: boolean): Readonly<Record<string, string>> {
  return { device_id: `${index}`, arena_extend_strategy: 'kSameAsRequested', ...(replays ? { enable_cuda_graph: '1' } : {}) };
}

function appendCuda({ api, version }: Environment, options: Pointer, device: Device, replays: boolean): void {
  const file = cudaLibraries[process.platform];
  const path = file === undefined ? undefined : join(runtimeFolder(), file);
  const remedy =
    `Run deploy/install-cuda-provider, which puts ${file ?? 'the CUDA provider'} of ONNX Runtime ${version} into ${runtimeFolder()} ` +
    `and says which libraries are missing (with --libraries it fetches them), or choose device cpu.`;
  if (path === undefined || !existsSync(path))
    throw new AppError('provider_missing', `device ${printDevice(device)}: the CUDA provider library is not there. ${remedy}`);
  if (!namesVersion(path, version))
    throw new AppError(
      'provider_missing',
      `device ${printDevice(device)}: ${path} is not of ONNX Runtime ${version}, and would crash. ${remedy}`,
    );
  preloadCudaLibraries(path);
  // Whichever call comes first loads the provider.
  missingOnFailure(() => addCuda(api, options, cudaSettings(device, replays)), device, remedy);
}

function addCuda(api: Environment['api'], options: Pointer, settings: Readonly<Record<string, string>>): void {
  const cuda = made((out) => checkStatus(api.CreateCUDAProviderOptions(out), 'CUDA options'));
  try {
    const keys = new StringTable(Object.keys(settings));
    const values = new StringTable(Object.values(settings));
    checkStatus(api.UpdateCUDAProviderOptions(cuda, keys.table, values.table, Object.keys(settings).length), 'CUDA options');
    checkStatus(api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda), 'CUDA provider');
  } finally {
    api.ReleaseCUDAProviderOptions(cuda);
  }
}

function appendWebGpu({ api, providers }: Environment, options: Pointer, device: Device): void {
  const remedy = 'Install a Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows) driver for the GPU, or choose device cpu.';
  if (!providers.includes(providerNames.webgpu.provider))
    throw new AppError('provider_missing', `device ${printDevice(device)}: this ONNX Runtime was built without WebGPU. ${remedy}`);
  const none = new StringTable([]).table;
  missingOnFailure(
    () => checkStatus(api.SessionOptionsAppendExecutionProvider(options, 'WebGPU', none, none, 0), 'WebGPU provider'),
    device,
    remedy,
  );
}

/** Runs a step that fails when a driver or a library that the provider needs is not there. */
function missingOnFailure<T>(step: () => T, device: Device, remedy: string): T {
  try {
    return step();
  } catch (cause) {
    const { code, message } = AppError.from(cause);
    throw new AppError('provider_missing', `device ${printDevice(device)}: ${message.replace(`[${code}] `, '')} ${remedy}`, { cause });
  }
}
