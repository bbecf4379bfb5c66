// Long life: programs come and go, and the memory of the process stays bounded.
import { describe, expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import { float32, hostTensor, int64 } from '#tensor';

const numPrograms = 500;
const warmUp = 100;
/** Fragmentation of the C library's heap and of the arena; one leaked weight a program would be 51 MB. */
const allowedGrowthBytes = 32e6;

describe('programs', () => {
  it('are created, run and released 500 times in bounded memory', async () => {
    const engine = await createOnnxEngine();
    const width = 160;
    const weight = hostTensor('float32', [width, width], new Float32Array(width * width).fill(1 / width)); // 102 KB
    let afterWarmUp = 0;
    for (let index = 0; index < numPrograms; index++) {
      const b = new GraphBuilder(`program ${index}`);
      const w = b.input('w', 'float32', [width, width]);
      const hidden = b.tanh(b.matmul(b.input('x', 'float32', ['N', width]), w));
      const graph = b.graph({ y: b.matmul(hidden, b.constant(weight)), sum: b.reduceSum(hidden, [1]) });
      const program = await engine.compile(graph, { name: `program ${index}`, frozen: new Map([['w', weight]]) });
      const x = engine.upload(hostTensor('float32', [64, width], new Float32Array(64 * width).fill(1)));
      const results = await program.run({ x });
      if (index % 100 === 0) expect(results['sum']?.read().data[0]).toBeCloseTo(width * Math.tanh(1), 2);
      for (const buffer of [x, ...Object.values(results)]) buffer.release();
      await program.release();
      if (index === warmUp) afterWarmUp = residentBytes();
    }
    expect(engine.counters()).toMatchObject({ bufferBytes: 0, buffers: 0, programs: 0 });
    const growthBytes = residentBytes() - afterWarmUp;
    expect(growthBytes).toBeLessThan(allowedGrowthBytes);
    await engine.dispose();
  });

  it('give their scratch space back when they are released', async () => {
    const engine = await createOnnxEngine();
    const length = 16 << 20; // 64 MB a tensor
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N']);
    const graph = b.graph({ y: b.reduceSum(b.mul(b.exp(x), b.tanh(x)), [0]) });
    const before = residentBytes();
    const program = await engine.compile(graph);
    const input = engine.allocate({ dtype: 'float32', shape: [length] });
    const { y } = await program.run({ x: input });
    y?.release();
    input.release();
    expect(residentBytes() - before).toBeGreaterThan(100e6);
    await program.release();
    expect(residentBytes() - before).toBeLessThan(32e6);
    await engine.dispose();
  });

  it('read frozen tables where they lie, however little the caller keeps', async () => {
    const engine = await createOnnxEngine();
    const [rows, width] = [1 << 18, 64]; // 67 MB
    const b = new GraphBuilder();
    const graph = b.graph({ y: b.gather(b.input('table', 'float32', [rows, width]), b.input('ids', 'int64', ['N'])) });
    const compile = () => {
      const table = hostTensor('float32', [rows, width]);
      for (let row = 0; row < rows; row++) table.data.fill(row, row * width, (row + 1) * width);
      const before = residentBytes();
      const program = engine.compile(graph, { frozen: new Map([['table', table]]) });
      return program.then((made) => ({ made, growthBytes: residentBytes() - before }));
    };
    const { made, growthBytes } = await compile();
    expect(growthBytes).toBeLessThan(32e6);
    for (let round = 0; round < 5; round++) {
      globalThis.gc?.();
      hostTensor('float32', [rows, width], new Float32Array(rows * width).fill(-1));
    }
    const { y } = await made.run({ ids: int64([3], [0, 77_777, rows - 1]) });
    const data = y?.read().data as Float32Array;
    expect([data[0], data[width], data[2 * width]]).toEqual([0, 77_777, rows - 1]);
    await engine.dispose();
  });

  it('give back buffers that nobody released', async () => {
    const engine = await createOnnxEngine();
    const forget = (): void => {
      for (let index = 0; index < 50; index++) engine.upload(float32([1000], new Float32Array(1000)));
    };
    forget();
    expect(engine.counters().buffers).toBe(50);
    for (let attempt = 0; attempt < 50 && engine.counters().buffers > 0; attempt++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(engine.counters().buffers).toBe(0);
    await engine.dispose();
  });
});

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}
