// Device buffers: contents, accounting, and life.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import { type DType, float32, fromNumbers, hostTensor, int64 } from '#tensor';

let engine: Engine;
beforeEach(async () => {
  engine = await createOnnxEngine();
});
afterEach(() => engine.dispose());

describe('onnx device buffers', () => {
  it.each<DType>(['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int8', 'uint8', 'bool'])('hold %s exactly', (dtype) => {
    const tensor = hostTensor(dtype, [2, 3], fromNumbers(dtype, [0, 1, 1, 0, 1, 0]));
    const buffer = engine.upload(tensor);
    expect(buffer.read()).toEqual(tensor);
  });

  it('are zeroed when they are allocated, also where memory is used again', () => {
    const size = 50_000;
    const first = engine.upload(hostTensor('float32', [size], new Float32Array(size).fill(3)));
    first.release();
    const second = engine.allocate({ dtype: 'float32', shape: [size] });
    expect((second.read().data as Float32Array).every((value) => value === 0)).toBe(true);
  });

  it('hold scalars and empty tensors', () => {
    expect(engine.upload(float32([], [5])).read()).toEqual(float32([], [5]));
    const empty = engine.upload(float32([0, 4], []));
    expect(empty.sizeBytes).toBe(0);
    expect(empty.read().shape).toEqual([0, 4]);
  });

  it('copy what they are given, from views inside larger arrays too', () => {
    const whole = Float32Array.from({ length: 100 }, (_, index) => index);
    const tensor = float32([3], whole.subarray(10, 13));
    const buffer = engine.upload(tensor);
    whole.fill(0);
    expect([...(buffer.read().data as Float32Array)]).toEqual([10, 11, 12]);
  });

  it('refuse another type or shape', () => {
    const buffer = engine.allocate({ dtype: 'float32', shape: [2] });
    expect(() => buffer.write(float32([3], [1, 2, 3]))).toThrow(/shape_mismatch.*\[2\].*\[3\]/);
    expect(() => buffer.write(int64([2], [1, 2]))).toThrow(/dtype_mismatch/);
  });

  it('lie over the tensor itself when they are borrowed, are not counted as moved, and refuse to be written', async () => {
    const tensor = float32([1000], new Float32Array(1000).fill(3));
    const moved = engine.counters().hostToDeviceBytes;
    const borrowed = engine.borrow(tensor);
    expect(engine.counters().hostToDeviceBytes).toBe(moved);
    // Only a test may do this: it shows whose memory is read.
    tensor.data[7] = 5;
    expect(borrowed.read().data[7]).toBe(5);
    expect(() => borrowed.write(tensor)).toThrow(/borrowed/);
    expect(() => borrowed.part(0, 2).write(float32([2], [1, 2]))).toThrow(/borrowed/);
    const b = new GraphBuilder();
    const copy = await engine.compile(b.graph({ y: b.neg(b.input('x', 'float32', [1000])) }));
    await expect(copy.run({ x: borrowed }, { outputs: { y: borrowed } })).rejects.toThrow(/borrowed/);
    borrowed.release();
    await copy.release();
  });

  it('are refused after release, which may be called twice', () => {
    const buffer = engine.allocate({ dtype: 'float32', shape: [2] });
    buffer.release();
    buffer.release();
    expect(buffer.isReleased).toBe(true);
    expect(() => buffer.read()).toThrow(/after release/);
    expect(() => buffer.write(float32([2], [1, 2]))).toThrow(/after release/);
    expect(engine.counters().buffers).toBe(0);
  });

  it('are counted in bytes, at the peak, and by what is moved', () => {
    const before = engine.counters();
    expect(before).toMatchObject({
      bufferBytes: 0,
      peakBufferBytes: 0,
      buffers: 0,
      programs: 0,
      hostToDeviceBytes: 0,
      deviceToHostBytes: 0,
    });
    const first = engine.allocate({ dtype: 'float32', shape: [10] });
    const second = engine.upload(int64([5], [1, 2, 3, 4, 5]));
    second.read();
    first.release();
    expect(engine.counters()).toMatchObject({
      bufferBytes: 40,
      peakBufferBytes: 80,
      buffers: 1,
      programs: 0,
      hostToDeviceBytes: 40,
      deviceToHostBytes: 40,
    });
  });

  it('are all freed when the engine is disposed, and the engine says so when it is used again', async () => {
    engine.allocate({ dtype: 'float32', shape: [10] });
    await engine.dispose();
    expect(engine.counters().bufferBytes).toBe(0);
    expect(() => engine.allocate({ dtype: 'float32', shape: [1] })).toThrow(/after dispose/);
  });
});

describe('createOnnxEngine', () => {
  it('names what to install for a provider that is not there', async () => {
    await expect(createOnnxEngine({ device: 'cuda:0' })).rejects.toThrow(
      /^\[provider_missing\] device cuda:0: .*Run deploy\/install-cuda-provider.*choose device cpu\.$/s,
    );
  });

  it('falls back to the CPU for auto', async () => {
    const automatic = await createOnnxEngine({ device: 'auto' });
    expect(automatic.device).toMatch(/^(cpu|cuda:0)$/);
    await automatic.dispose();
  });

  it('refuses devices and threads that make no sense', async () => {
    await expect(createOnnxEngine({ device: 'tpu' })).rejects.toThrow(/invalid_argument.*"tpu"/);
    await expect(createOnnxEngine({ device: 'webgpu:3' })).rejects.toThrow(/invalid_argument.*webgpu:0/);
    await expect(createOnnxEngine({ threads: 0 })).rejects.toThrow(/invalid_argument.*threads/);
  });
});
