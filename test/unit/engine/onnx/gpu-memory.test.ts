// The memory of GPU devices, tried where every machine can: the provider's own copies, with the CPU in the GPU's place.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceMemory } from '../../../../src/engine/onnx/device-memory.ts';
import { ortEnvironment } from '../../../../src/engine/onnx/environment.ts';
import { createGpuMemory } from '../../../../src/engine/onnx/gpu-memory.ts';

let memory: DeviceMemory;
beforeAll(async () => {
  memory = await createGpuMemory(ortEnvironment(), { kind: 'cpu', index: 0 });
});
afterAll(() => memory.dispose());

describe('memory behind the runtime', () => {
  // Whole floats, halves and single bytes travel in different carriers.
  it.each([4096, 6, 7, 0])('carries %d bytes there and back', (sizeBytes) => {
    const allocation = memory.allocate(Math.max(1, sizeBytes));
    const place = { pointer: allocation.pointer, sizeBytes, dtype: 'uint8', shape: [sizeBytes] } as const;
    const zeros = new Uint8Array(sizeBytes).fill(9);
    memory.read(place, zeros);
    expect(zeros.every((byte) => byte === 0)).toBe(true);
    const sent = Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 37) % 256);
    memory.write(place, sent);
    const received = new Uint8Array(sizeBytes);
    memory.read(place, received);
    expect(received).toEqual(sent);
    allocation.free();
  });
});
