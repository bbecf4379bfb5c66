// What the probes share: one run of a small model before there is an engine, and how far its results are from the expected ones.
import { AppError, at } from '#base';
import { type HostTensor, rawBytes } from '#tensor';
import type { Environment } from './environment.ts';
import { addressOf, offHeap } from './native-memory.ts';
import type { OnnxModel } from './onnx-proto.ts';
import { type Device, printDevice } from './providers.ts';
import { Session } from './session.ts';
import { tensorValue } from './tensor-value.ts';

/** A probe that runs once in a process for each device. */
export function oncePerDevice<T>(probe: (environment: Environment, device: Device) => Promise<T>) {
  const known = new Map<string, Promise<T>>();
  return (environment: Environment, device: Device): Promise<T> => {
    const key = printDevice(device);
    const before = known.get(key);
    if (before !== undefined) return before;
    const probed = probe(environment, device);
    known.set(key, probed);
    return probed;
  };
}

/** Whether a trial comes out right. A runtime without the kernel refuses its graph, and another form takes its place. */
export async function isRightHere(trial: () => Promise<boolean>): Promise<boolean> {
  try {
    return await trial();
  } catch (thrown) {
    if (AppError.from(thrown).code !== 'engine_failure') throw thrown;
    return false;
  }
}

/** Runs a model of `numOutputs` float32 results of one shape. */
export async function runOnce(
  environment: Environment,
  device: Device,
  model: OnnxModel,
  inputs: readonly HostTensor[],
  shape: readonly [number, number],
  numOutputs: number,
): Promise<Float32Array[]> {
  const session = await Session.create(environment, model, { device, threads: 1 });
  const sizeBytes = shape[0] * shape[1] * 4;
  const results = Array.from({ length: numOutputs }, () => offHeap(sizeBytes));
  const memory = [...inputs.map((tensor) => copyOffHeap(rawBytes(tensor))), ...results];
  const types = [...inputs, ...results.map(() => ({ dtype: 'float32', shape }) as const)];
  const values = types.map(({ dtype, shape: sizes }, index) => {
    const size = index < inputs.length ? rawBytes(at(inputs, index)).length : sizeBytes;
    return tensorValue(environment, environment.cpuMemory, { pointer: addressOf(at(memory, index)), sizeBytes: size, dtype, shape: sizes });
  });
  try {
    session.runHere(values.slice(0, inputs.length), values.slice(inputs.length));
    return results.map((bytes) => new Float32Array(bytes, 0, sizeBytes / 4));
  } finally {
    for (const value of values) environment.api.ReleaseValue(value);
    session.release();
  }
}

function copyOffHeap(bytes: Uint8Array): ArrayBuffer {
  const memory = offHeap(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

/** ‖actual − expected‖ / ‖expected‖ */
export function relativeDistance(actual: ArrayLike<number>, expected: Float64Array): number {
  let [difference, size] = [0, 0];
  for (const [index, value] of expected.entries()) {
    difference += ((actual[index] ?? 0) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
