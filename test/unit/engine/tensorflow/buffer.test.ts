// Buffers in the worker: contents, parts that share their memory, accounting, and life.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '#graph';
import { type DType, float32, fromNumbers, hostTensor, int64 } from '#tensor';
import { tensorflowEngine, tensorflowForSuite } from '#test/tensorflow';

const allTypes: readonly DType[] = ['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int8', 'uint8', 'bool'];
const values = (buffer: { read(): { readonly data: ArrayLike<number | bigint> } }): number[] => Array.from(buffer.read().data, Number);

describe('tensorflow device buffers', () => {
  const engine = tensorflowForSuite();

  it.each(allTypes)('hold %s exactly, in any number', (dtype) => {
    for (const count of [0, 1, 2, 3, 4, 5, 7]) {
      const tensor = hostTensor(
        dtype,
        [count],
        fromNumbers(
          dtype,
          Array.from({ length: count }, (_, index) => (index * 3) % 2),
        ),
      );
      const buffer = engine().upload(tensor);
      expect(buffer.read()).toEqual(tensor);
      buffer.release();
    }
  });

  it.each(allTypes)('change parts of %s where they lie', (dtype) => {
    const of = (numbers: readonly number[]) => hostTensor(dtype, [numbers.length], fromNumbers(dtype, numbers));
    const whole = engine().upload(of([0, 1, 0, 1, 0]));
    const part = whole.part(1, 3);
    part.write(of([1, 0, 1]));
    expect(whole.read()).toEqual(of([0, 1, 0, 1, 0].map((_, index) => (index === 1 || index === 3 ? 1 : 0))));
    expect(part.read()).toEqual(of([1, 0, 1]));
    part.release();
    whole.release();
  });

  it('are zeroed when they are allocated', () => {
    const buffer = engine().allocate({ dtype: 'float16', shape: [3, 5] });
    expect(values(buffer)).toEqual(new Array(15).fill(0));
    buffer.release();
  });

  it('hold numbers that only some bits tell apart', () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, -0, 5e-324, 2 ** 53 - 1];
    const buffer = engine().upload(hostTensor('float64', [5], Float64Array.from(odd)));
    expect([...(buffer.read().data as Float64Array)]).toEqual(odd);
    const large = engine().upload(hostTensor('int64', [2], BigInt64Array.of(2n ** 62n + 1n, -(2n ** 40n))));
    expect([...(large.read().data as BigInt64Array)]).toEqual([2n ** 62n + 1n, -(2n ** 40n)]);
    buffer.release();
    large.release();
  });

  it('copy what they are given', () => {
    const whole = Float32Array.from({ length: 100 }, (_, index) => index);
    const tensor = float32([64], whole.subarray(16, 80));
    const [uploaded, borrowed] = [engine().upload(tensor), engine().borrow(tensor)];
    whole.fill(0);
    expect(values(uploaded)[0]).toBe(16);
    expect(values(borrowed)[63]).toBe(79);
    uploaded.release();
    borrowed.release();
  });

  it('share memory with their parts, and parts with their parts, until the last is released', () => {
    const before = engine().counters();
    const whole = engine().upload(float32([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]));
    const row = whole.part(4, 4, [2, 2]);
    const corner = row.part(2, 2);
    whole.write(float32([2, 4], [11, 12, 13, 14, 15, 16, 17, 18]));
    expect(values(corner)).toEqual([17, 18]);
    corner.write(float32([2], [0, -1]));
    expect(values(whole)).toEqual([11, 12, 13, 14, 15, 16, 0, -1]);
    whole.release();
    row.release();
    expect(values(corner)).toEqual([0, -1]);
    corner.release();
    expect(engine().counters().buffers).toBe(before.buffers);
    expect(engine().counters().bufferBytes).toBe(before.bufferBytes);
  });

  it('keep what a run reads when they are changed behind it', async () => {
    const b = new GraphBuilder();
    const program = await engine().compile(b.graph({ y: b.mul(b.input('x', 'float32', [4]), 2) }));
    const whole = engine().upload(float32([4], [1, 2, 3, 4]));
    const part = whole.part(0, 2);
    part.write(float32([2], [5, 6])); // from now on it is changed in place
    const run = program.run({ x: whole });
    part.write(float32([2], [0, 0]));
    const { y } = await run;
    expect(y === undefined ? [] : values(y)).toEqual([10, 12, 6, 8]);
    expect(values(whole)).toEqual([0, 0, 3, 4]);
    for (const buffer of [y, part, whole]) buffer?.release();
    await program.release();
  });

  it('refuse another type or shape, and use after release', () => {
    const buffer = engine().allocate({ dtype: 'float32', shape: [2] });
    expect(() => buffer.write(float32([3], [1, 2, 3]))).toThrow(/shape_mismatch.*\[2\].*\[3\]/);
    expect(() => buffer.write(int64([2], [1, 2]))).toThrow(/dtype_mismatch/);
    buffer.release();
    buffer.release();
    expect(buffer.isReleased).toBe(true);
    expect(() => buffer.read()).toThrow(/after release/);
    expect(() => buffer.write(float32([2], [1, 2]))).toThrow(/after release/);
  });

  it('are counted in bytes, at the peak, and by what is moved', async (context) => {
    const made = await tensorflowEngine();
    if ('missing' in made) return context.skip(made.missing);
    expect(made.counters()).toMatchObject({
      bufferBytes: 0,
      peakBufferBytes: 0,
      buffers: 0,
      programs: 0,
      hostToDeviceBytes: 0,
      deviceToHostBytes: 0,
    });
    const first = made.allocate({ dtype: 'float32', shape: [10] });
    const second = made.upload(int64([5], [1, 2, 3, 4, 5]));
    second.read();
    first.release();
    expect(made.counters()).toMatchObject({
      bufferBytes: 40,
      peakBufferBytes: 80,
      buffers: 1,
      programs: 0,
      hostToDeviceBytes: 40,
      deviceToHostBytes: 40,
    });
    expect(made.numTensors()).toBe(1);
    await made.dispose();
    await made.dispose();
    expect(made.counters()).toMatchObject({ bufferBytes: 0, buffers: 0 });
    expect(() => made.allocate({ dtype: 'float32', shape: [1] })).toThrow(/after dispose/);
  });

  it('are given back when nobody released them', async () => {
    const { buffers } = engine().counters();
    const forget = (): void => {
      for (let index = 0; index < 20; index++) engine().upload(float32([1000], new Float32Array(1000)));
    };
    forget();
    for (let attempt = 0; attempt < 50 && engine().counters().buffers > buffers; attempt++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(engine().counters().buffers).toBe(buffers);
  });
});
