// Programs on the runtime: symbolic sizes, results in place, overlap, cancellation, life, and the words of errors.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Graph, GraphBuilder, type Value } from '#graph';
import { float32, type HostTensor, hostTensor, int32, int64 } from '#tensor';

let engine: Engine;
beforeEach(async () => {
  engine = await createOnnxEngine();
});
afterEach(() => engine.dispose());

const numbers = (tensor: { readonly data: ArrayLike<number | bigint> }): number[] => Array.from(tensor.data, Number);

function doubling(): Graph {
  const b = new GraphBuilder('doubling');
  return b.graph({ y: b.mul(b.input('x', 'float32', ['N']), 2) });
}

/** Products that take long enough to be stopped in the middle. */
function longChain(size: number, steps: number): Graph {
  const b = new GraphBuilder('chain');
  const w = b.input('w', 'float32', [size, size]);
  let x: Value = w;
  for (let step = 0; step < steps; step++) x = b.matmul(b.tanh(x), w, { scale: 1 / size });
  return b.graph({ y: b.reduceSum(x, [0, 1]) });
}

describe('an onnx program', () => {
  it('computes sizes from the symbols of its inputs', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['B', 'T', 4]);
    const more = b.input('more', 'float32', ['B', 'S', 4]);
    const joined = b.concat([x, more], 1); // [B, S+T, 4]
    const graph = b.graph({
      flat: b.reshape(x, ['B*T', 4]),
      swapped: b.transpose(b.reshape(x, ['B', 'T', 2, 2]), [0, 2, 1, 3]),
      joined,
      tail: b.slice(joined, 1, 'T', 'S+T'),
      spread: b.broadcastTo(b.range('T'), ['B', 'T']),
      back: b.reshape(b.reshape(x, ['4*B*T']), ['B', 'T', 4]),
    });
    const program = await engine.compile(graph, { name: 'sizes' });
    for (const [B, T, S] of [
      [2, 3, 1],
      [1, 5, 2],
    ] as const) {
      const xData = float32(
        [B, T, 4],
        Float32Array.from({ length: B * T * 4 }, (_, index) => index),
      );
      const moreData = float32(
        [B, S, 4],
        Float32Array.from({ length: B * S * 4 }, (_, index) => -index),
      );
      const { flat, swapped, joined: both, tail, spread, back } = await program.run({ x: xData, more: moreData });
      expect(flat?.read().shape).toEqual([B * T, 4]);
      expect(swapped?.shape).toEqual([B, 2, T, 2]);
      expect(both?.shape).toEqual([B, T + S, 4]);
      expect(tail?.read()).toEqual(moreData);
      expect(numbers(spread?.read() ?? int64([0], []))).toEqual(Array.from({ length: B * T }, (_, index) => index % T));
      expect(back?.read()).toEqual(xData);
    }
    await program.release();
  });

  it('writes results into the buffers it is given and returns those', async () => {
    const program = await engine.compile(doubling());
    const target = engine.allocate({ dtype: 'float32', shape: [3] });
    const { y } = await program.run({ x: float32([3], [1, 2, 3]) }, { outputs: { y: target } });
    expect(y).toBe(target);
    expect(numbers(target.read())).toEqual([2, 4, 6]);
    const buffers = engine.counters().buffers;
    await program.run({ x: float32([3], [5, 6, 7]) }, { outputs: { y: target } });
    expect(numbers(target.read())).toEqual([10, 12, 14]);
    expect(engine.counters().buffers).toBe(buffers);
  });

  it('gives outputs that are inputs, constants, or one value twice', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const y = b.add(x, 1);
    const program = await engine.compile(
      b.graph({ same: x, fixed: b.constant(float32([2], [8, 9])), y, again: y, kept: b.stopGradient(y) }),
    );
    const results = await program.run({ x: float32([2], [1, 2]) });
    const read = (name: string): number[] => numbers(results[name]?.read() ?? { data: [] });
    expect([read('same'), read('fixed'), read('y'), read('again'), read('kept')]).toEqual([
      [1, 2],
      [8, 9],
      [2, 3],
      [2, 3],
      [2, 3],
    ]);
  });

  it('chooses between booleans', async () => {
    const b = new GraphBuilder();
    const flags = (name: string): Value => b.input(name, 'bool', [4]);
    const program = await engine.compile(b.graph({ y: b.where(flags('c'), flags('x'), flags('z')) }));
    const given = (...values: number[]) => hostTensor('bool', [4], Uint8Array.from(values));
    const { y } = await program.run({ c: given(1, 1, 0, 0), x: given(1, 0, 1, 0), z: given(0, 1, 0, 1) });
    expect(numbers(y?.read() ?? { data: [] })).toEqual([1, 0, 0, 1]);
  });

  it('keeps frozen inputs inside, with the sizes that they fix', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 'D']);
    const w = b.input('w', 'float32', ['D', 'D']);
    const size = 40;
    const identity = float32(
      [size, size],
      Float32Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 3 : 0)),
    );
    const program = await engine.compile(b.graph({ y: b.reshape(b.matmul(x, w), ['D*N']) }), { frozen: new Map([['w', identity]]) });
    expect(program.inputNames).toEqual(['x']);
    const { y } = await program.run({ x: hostTensor('float32', [2, size], new Float32Array(2 * size).fill(1)) });
    expect(numbers(y?.read() ?? { data: [] })).toEqual(new Array(2 * size).fill(3));
    await expect(program.run({ x: float32([1, 2], [1, 2]) })).rejects.toThrow(/shape_mismatch.*"x".*\[N, D\].*\[1, 2\]/);
  });

  it('folds frozen weights that are only needed in another form', async () => {
    const b = new GraphBuilder();
    const size = 40;
    const x = b.input('x', 'float64', ['N', size]);
    const w = b.input('w', 'float64', [size, size]);
    const half = b.cast(b.input('half', 'float16', [size, size]), 'float64');
    const y = b.add(b.matmul(x, w, { transposeB: true, scale: 2 }), b.matmul(x, half, { transposeB: true }));
    const frozen = new Map<string, HostTensor>([
      [
        'w',
        hostTensor(
          'float64',
          [size, size],
          Float64Array.from({ length: size * size }, (_, index) => Math.floor(index / size)),
        ),
      ],
      ['half', hostTensor('float16', [size, size], new Uint16Array(size * size).fill(0x3c00))], // ones
    ]);
    const program = await engine.compile(b.graph({ y }), { frozen });
    const results = await program.run({ x: hostTensor('float64', [1, size], new Float64Array(size).fill(1)) });
    const expected = Array.from({ length: size }, (_, row) => 2 * size * row + size);
    expect(numbers(results['y']?.read() ?? { data: [] })).toEqual(expected);
  });

  it('extends a key-value cache in place', async () => {
    const b = new GraphBuilder();
    const [B, H, K, S] = [2, 2, 8, 6];
    const row = (name: string): Value => b.input(name, 'float32', [B, 1, H * K]);
    const cache = (name: string): Value => b.input(name, 'float32', [B, H, S, K]);
    const attrs = { heads: H, keyValueHeads: H, scale: 0.35 };
    const last = b.input('last', 'int32', [B]);
    const total = b.input('total', 'int32', [1]);
    const [y, key, value] = b.groupQueryAttention(row('q'), row('k'), row('v'), cache('pk'), cache('pv'), last, total, attrs);
    const program = await engine.compile(b.graph({ y, key, value }));
    const filled = (shape: number[], number: number) =>
      hostTensor('float32', shape, new Float32Array(shape.reduce((p, s) => p * s)).fill(number));
    const pk = engine.upload(filled([B, H, S, K], 1));
    const pv = engine.upload(filled([B, H, S, K], 2));
    const step = {
      q: filled([B, 1, H * K], 1),
      k: filled([B, 1, H * K], 1),
      v: filled([B, 1, H * K], 5),
      last: int32([B], [3, 1]),
      total: int32([1], [4]),
    };
    const results = await program.run({ ...step, pk, pv }, { outputs: { key: pk, value: pv } });
    expect(results['value']).toBe(pv);
    // Equal keys: every position weighs the same; row 0 sees three twos and a five, row 1 one two and a five.
    const attended = numbers(results['y']?.read() ?? { data: [] });
    expect(attended[0]).toBeCloseTo((2 * 3 + 5) / 4, 5);
    expect(attended[H * K]).toBeCloseTo((2 + 5) / 2, 5);
    const written = numbers(pv.read()).filter((number) => number === 5).length;
    expect(written).toBe(B * H * K);
  });

  it('runs several times at once, beside other programs', async () => {
    const program = await engine.compile(doubling());
    const other = await engine.compile(longChain(64, 3));
    const w = hostTensor('float32', [64, 64], new Float32Array(64 * 64).fill(0.5));
    const runs = Array.from({ length: 12 }, async (_, index) => {
      const { y } = await (index % 3 === 0 ? other.run({ w }) : program.run({ x: float32([2], [index, -index]) }));
      return numbers(y?.read() ?? { data: [] });
    });
    const results = await Promise.all(runs);
    for (const [index, result] of results.entries()) if (index % 3 !== 0) expect(result).toEqual([2 * index, -2 * index || 0]);
  });

  it('gives the same bits every time', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 96]);
    const w = b.input('w', 'float32', [96, 300]);
    const y = b.softmax(b.matmul(x, w), 1);
    const program = await engine.compile(b.graph({ y, total: b.reduceSum(y, [0]), dW: b.matmul(x, y, { transposeA: true }) }));
    const wave = (shape: readonly [number, number]) =>
      float32(
        shape,
        Float32Array.from({ length: shape[0] * shape[1] }, (_, index) => Math.sin(index * 0.37)),
      );
    const inputs = { x: wave([333, 96]), w: wave([96, 300]) };
    const first = await program.run(inputs);
    const second = await program.run(inputs);
    for (const name of program.outputNames) expect(second[name]?.read()).toEqual(first[name]?.read());
  });

  it('leaves the event loop free while it runs', async () => {
    const program = await engine.compile(longChain(512, 40));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await program.run({ w: hostTensor('float32', [512, 512], new Float32Array(512 * 512).fill(0.1)) });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('does not begin when the signal has fired', async () => {
    const program = await engine.compile(doubling());
    await expect(program.run({ x: float32([1], [1]) }, { signal: AbortSignal.abort() })).rejects.toThrow(/^\[cancelled\]/);
  });

  it('stops in the middle when the signal fires, and works afterwards', async () => {
    const steps = 3000; // minutes, if it were not stopped
    const program = await engine.compile(longChain(768, steps), { name: 'long chain' });
    const w = engine.upload(hostTensor('float32', [768, 768], new Float32Array(768 * 768).fill(0.1)));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    await expect(program.run({ w }, { signal: controller.signal })).rejects.toThrow(/^\[cancelled\] run "long chain"/);
    expect(engine.counters().buffers).toBe(1);
    const short = await engine.compile(doubling());
    expect(numbers((await short.run({ x: float32([1], [4]) }))['y']?.read() ?? { data: [] })).toEqual([8]);
    const again = new AbortController();
    setTimeout(() => again.abort(), 50);
    await expect(program.run({ w }, { signal: again.signal })).rejects.toThrow(/cancelled/);
  });

  it('stops a run that waits for its turn', async () => {
    const program = await engine.compile(longChain(512, 60));
    const w = engine.upload(hostTensor('float32', [512, 512], new Float32Array(512 * 512).fill(0.1)));
    const busy = Array.from({ length: 6 }, () => program.run({ w }));
    const controller = new AbortController();
    const waiting = program.run({ w }, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow(/cancelled/);
    for (const { y } of await Promise.all(busy)) y?.release();
  });

  it('keeps the memory of a buffer that is released while a run reads it', async () => {
    const program = await engine.compile(longChain(256, 10));
    const w = engine.upload(hostTensor('float32', [256, 256], new Float32Array(256 * 256).fill(1 / 16)));
    const expected = numbers((await program.run({ w }))['y']?.read() ?? { data: [] });
    const run = program.run({ w });
    w.release();
    expect(numbers((await run)['y']?.read() ?? { data: [] })).toEqual(expected);
    expect(engine.counters().bufferBytes).toBe(8); // the two results
  });

  it('waits for its runs when it is released, and refuses new ones', async () => {
    const program = await engine.compile(longChain(256, 10));
    const run = program.run({ w: hostTensor('float32', [256, 256]) });
    const released = program.release();
    await expect(program.run({ w: hostTensor('float32', [256, 256]) })).rejects.toThrow(/after release/);
    await expect(run).resolves.toHaveProperty('y');
    await released;
    await program.release();
    expect(engine.counters().programs).toBe(0);
  });

  it('gives back the buffers of a run that fails', async () => {
    const b = new GraphBuilder();
    const graph = b.graph({ y: b.gather(b.input('table', 'float32', [4, 2]), b.input('ids', 'int64', ['N'])) });
    const program = await engine.compile(graph, { name: 'look up' });
    await expect(program.run({ table: hostTensor('float32', [4, 2]), ids: int64([2], [1, 9]) })).rejects.toThrow(
      /^\[engine_failure\] run "look up": .*out of (data )?bounds/,
    );
    expect(engine.counters().buffers).toBe(0);
  });

  it('names the input, and what was expected and given', async () => {
    const program = await engine.compile(doubling(), { name: 'doubling' });
    await expect(program.run({})).rejects.toThrow('run "doubling", input "x": is missing; the program takes x.');
    await expect(program.run({ x: int64([1], [1]) })).rejects.toThrow('input "x": expected float32, got int64.');
    await expect(program.run({ x: float32([1, 1], [1]) })).rejects.toThrow('input "x": expected [N], got [1, 1].');
    await expect(program.run({ x: float32([1], [1]), z: float32([1], [1]) })).rejects.toThrow('input "z": is unknown');
    const wrong = engine.allocate({ dtype: 'float32', shape: [2] });
    await expect(program.run({ x: float32([1], [1]) }, { outputs: { y: wrong } })).rejects.toThrow('output "y": expected [1], got [2].');
    await expect(program.run({ x: float32([2], [1, 2]) }, { outputs: { z: wrong } })).rejects.toThrow('output "z": is unknown');
  });

  it('takes threads of its own', async () => {
    const program = await engine.compile(doubling(), { threads: 1 });
    expect(numbers((await program.run({ x: float32([1], [3]) }))['y']?.read() ?? { data: [] })).toEqual([6]);
  });
});
