// The binding: the functions are where the table says, and failures come back as errors with the runtime's words.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { ortRuntime } from '../../../../src/engine/onnx/c-api.ts';
import { ortEnvironment } from '../../../../src/engine/onnx/environment.ts';
import { addressOf, int64Table, made, offHeap, StringTable, viewMemory, zeroedBlock } from '../../../../src/engine/onnx/native-memory.ts';
import { checkStatus, codeForMessage } from '../../../../src/engine/onnx/status.ts';

describe('the C API binding', () => {
  it('loads the runtime of the version that the package says', () => {
    const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
    expect(ortRuntime().version).toBe(version);
  });

  it('calls functions at both ends of the table', () => {
    const { api } = ortRuntime();
    expect(api.GetBuildInfoString()).toContain('ORT Build Info');
    expect(ortEnvironment().providers).toContain('CPUExecutionProvider');
    expect(ortEnvironment().arena).not.toBe(0n);
  });

  it('makes tensors over memory and lets it be read back', () => {
    const { api, cpuMemory } = ortEnvironment();
    const memory = offHeap(16);
    new Float32Array(memory).set([1, 2, 3, 4]);
    const value = made((out) =>
      checkStatus(api.CreateTensorWithDataAsOrtValue(cpuMemory, addressOf(memory), 16, int64Table([2, 2]), 2, 1, out), 'test'),
    );
    expect(value).not.toBe(0n);
    api.ReleaseValue(value);
    expect([...new Float32Array(memory, 0, 4)]).toEqual([1, 2, 3, 4]);
  });

  it('names the place and the words of the runtime when a call fails', () => {
    const { api, cpuMemory } = ortEnvironment();
    const tooSmall = (): bigint =>
      made((out) =>
        checkStatus(
          api.CreateTensorWithDataAsOrtValue(cpuMemory, addressOf(offHeap(4)), 4, int64Table([9, 9]), 2, 1, out),
          'a small buffer',
        ),
      );
    expect(tooSmall).toThrow(/^\[engine_failure\] a small buffer: not enough space: expected 324, got 4\.$/);
  });

  it('tells memory and cancellation apart from other failures', () => {
    expect(codeForMessage('Exiting due to terminate flag being set to true.')).toBe('cancelled');
    expect(codeForMessage('std::bad_alloc')).toBe('out_of_memory');
    expect(codeForMessage('Failed to allocate memory for requested buffer of size 123')).toBe('out_of_memory');
    expect(codeForMessage('CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0')).toBe('out_of_memory');
    expect(codeForMessage('CUDA failure 2: out of memory ; GPU=0')).toBe('out_of_memory');
    expect(codeForMessage('This is an invalid model.')).toBe('engine_failure');
    expect(codeForMessage('CUDA failure 1: invalid argument ; GPU=0')).toBe('engine_failure');
  });

  it.each([
    'CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h',
    'CUDA failure 719: unspecified launch failure ; GPU=0',
    'CUDA error 46: all CUDA-capable devices are busy or unavailable',
    'CUDA failure 100: no CUDA-capable device is detected ; GPU=-1',
    'WebGPU device was lost: GPU is lost',
  ])('knows a device that is lost by "%s"', (message) => {
    expect(codeForMessage(message)).toBe('device_lost');
  });
});

describe('native memory', () => {
  it('gives zeroed, aligned blocks that can be written and read', () => {
    const block = zeroedBlock(1000);
    try {
      expect(block.pointer % 64n).toBe(0n);
      const view = viewMemory(block.pointer, 1000);
      expect(view.every((byte) => byte === 0)).toBe(true);
      view.fill(7);
      expect(viewMemory(block.pointer, 1000)[999]).toBe(7);
    } finally {
      block.free();
    }
  });

  it('keeps the texts of a string table at their addresses', () => {
    const table = new StringTable(['first', 'zweite', '第三']);
    const texts = [...table.table.slice(0, 3)].map((pointer) => {
      const bytes = viewMemory(pointer, 7);
      return Buffer.from(bytes.subarray(0, bytes.indexOf(0) < 0 ? 7 : bytes.indexOf(0))).toString('utf8');
    });
    expect(texts).toEqual(['first', 'zweite', '第三']);
  });
});
