// Programs in the worker: symbolic sizes, results in place, order, cancellation, life, and the words of errors.
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceBuffer } from '#engine';
import { type Graph, GraphBuilder, type Value } from '#graph';
import { float32, hostTensor, int32, int64 } from '#tensor';
import { tensorflowForSuite } from '#test/tensorflow';

const numbers = (tensor: { readonly data: ArrayLike<number | bigint> }): number[] => Array.from(tensor.data, Number);
const valuesOf = (buffer: DeviceBuffer | undefined): number[] => (buffer === undefined ? [] : numbers(buffer.read()));

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

const square = (size: number) => hostTensor('float32', [size, size], new Float32Array(size * size).fill(0.1));

describe('a tensorflow program', () => {
  const engine = tensorflowForSuite();
  const held: DeviceBuffer[] = [];
  afterEach(() => {
    for (const buffer of held.splice(0)) buffer.release();
  });
  const keep = <Results extends Readonly<Record<string, DeviceBuffer>>>(results: Results): Results => {
    held.push(...Object.values(results));
    return results;
  };

  it('computes sizes from the symbols of its inputs, for one choice after another', async () => {
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
    const program = await engine().compile(graph, { name: 'sizes' });
    for (const [B, T, S] of [
      [2, 3, 1],
      [1, 5, 2],
      [2, 3, 1],
    ] as const) {
      const counted = (size: number, sign: number) =>
        float32(
          [B, size, 4],
          Float32Array.from({ length: B * size * 4 }, (_, index) => sign * index),
        );
      const { flat, swapped, joined: both, tail, spread, back } = keep(await program.run({ x: counted(T, 1), more: counted(S, -1) }));
      expect(flat?.read().shape).toEqual([B * T, 4]);
      expect(swapped?.shape).toEqual([B, 2, T, 2]);
      expect(both?.shape).toEqual([B, T + S, 4]);
      expect(tail?.read()).toEqual(counted(S, -1));
      expect(valuesOf(spread)).toEqual(Array.from({ length: B * T }, (_, index) => index % T));
      expect(back?.read()).toEqual(counted(T, 1));
    }
    await program.release();
  });

  it('forgets the plans of sizes that were long ago', async () => {
    const b = new GraphBuilder();
    // Each plan has a shape of its own to hold.
    const program = await engine().compile(b.graph({ y: b.reshape(b.mul(b.input('x', 'float32', ['N']), 2), ['N', 1]) }));
    const run = async (size: number): Promise<number[]> => {
      const { y } = await program.run({ x: hostTensor('float32', [size], new Float32Array(size).fill(1)) });
      const values = valuesOf(y);
      y?.release();
      return values;
    };
    for (let size = 1; size <= 40; size++) await run(size);
    const tensors = engine().numTensors();
    for (let size = 41; size <= 120; size++) expect(await run(size)).toEqual(new Array(size).fill(2));
    expect(engine().numTensors()).toBe(tensors);
    expect(await run(1)).toEqual([2]);
    await program.release();
  });

  it('writes results into the buffers it is given and returns those', async () => {
    const program = await engine().compile(doubling());
    const target = engine().allocate({ dtype: 'float32', shape: [3] });
    const { y } = await program.run({ x: float32([3], [1, 2, 3]) }, { outputs: { y: target } });
    expect(y).toBe(target);
    expect(valuesOf(target)).toEqual([2, 4, 6]);
    const { buffers } = engine().counters();
    await program.run({ x: target }, { outputs: { y: target } });
    expect(valuesOf(target)).toEqual([4, 8, 12]);
    expect(engine().counters().buffers).toBe(buffers);
    target.release();
    await program.release();
  });

  it('gives outputs that are inputs, constants, or one value twice', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    const y = b.add(x, 1);
    const graph = b.graph({ same: x, fixed: b.constant(float32([2], [8, 9])), y, again: y, kept: b.stopGradient(y), counted: b.range(2) });
    const program = await engine().compile(graph);
    const results = keep(await program.run({ x: float32([2], [1, 2]) }));
    expect(program.outputNames.map((name) => valuesOf(results[name]))).toEqual([
      [1, 2],
      [8, 9],
      [2, 3],
      [2, 3],
      [2, 3],
      [0, 1],
    ]);
    // Each may be written without the others.
    results['y']?.write(float32([2], [0, 0]));
    expect(valuesOf(results['again'])).toEqual([2, 3]);
    await program.release();
  });

  it('keeps frozen inputs inside, with the sizes that they fix', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 'D']);
    const w = b.input('w', 'float32', ['D', 'D']);
    const weight = float32([2, 2], [3, 0, 0, 3]);
    const program = await engine().compile(b.graph({ y: b.reshape(b.matmul(x, w), ['D*N']) }), { frozen: new Map([['w', weight]]) });
    expect(program.inputNames).toEqual(['x']);
    const { y } = keep(await program.run({ x: float32([2, 2], [1, 1, 1, 1]) }));
    expect(valuesOf(y)).toEqual([3, 3, 3, 3]);
    await expect(program.run({ x: float32([1, 3], [1, 2, 3]) })).rejects.toThrow(/shape_mismatch.*"x".*\[N, D\].*\[1, 3\]/);
    await expect(engine().compile(doubling(), { frozen: new Map([['w', weight]]) })).rejects.toThrow(/no input "w" to freeze/);
    await program.release();
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
    const program = await engine().compile(b.graph({ y, key, value }));
    const filled = (shape: number[], number: number) =>
      hostTensor('float32', shape, new Float32Array(shape.reduce((p, s) => p * s)).fill(number));
    const pk = engine().upload(filled([B, H, S, K], 1));
    // Rows of a larger cache, as serving binds them.
    const all = engine().upload(filled([B + 1, H, S, K], 2));
    const pv = all.part(H * S * K, B * H * S * K, [B, H, S, K]);
    const step = {
      q: filled([B, 1, H * K], 1),
      k: filled([B, 1, H * K], 1),
      v: filled([B, 1, H * K], 5),
      last: int32([B], [3, 1]),
      total: int32([1], [4]),
    };
    const { y: result, value: bound } = await program.run({ ...step, pk, pv }, { outputs: { key: pk, value: pv } });
    expect(bound).toBe(pv);
    // Equal keys: every position weighs the same; row 0 sees three twos and a five, row 1 one two and a five.
    const attended = valuesOf(result);
    expect(attended[0]).toBeCloseTo((2 * 3 + 5) / 4, 5);
    expect(attended[H * K]).toBeCloseTo((2 + 5) / 2, 5);
    expect(valuesOf(pv).filter((number) => number === 5)).toHaveLength(B * H * K);
    expect(valuesOf(all).filter((number) => number === 5)).toHaveLength(B * H * K);
    expect(valuesOf(all).slice(0, H * S * K)).toEqual(new Array(H * S * K).fill(2));
    for (const buffer of [result, pk, pv, all]) buffer?.release();
    await program.release();
  });

  it('runs several times at once, beside other programs', async () => {
    const [program, other] = [await engine().compile(doubling()), await engine().compile(longChain(64, 3))];
    const w = square(64);
    const runs = Array.from({ length: 12 }, async (_, index) => {
      const { y } = keep(await (index % 3 === 0 ? other.run({ w }) : program.run({ x: float32([2], [index, -index]) })));
      return valuesOf(y);
    });
    const results = await Promise.all(runs);
    for (const [index, result] of results.entries()) if (index % 3 !== 0) expect(result).toEqual([2 * index, -2 * index || 0]);
    await Promise.all([program.release(), other.release()]);
  });

  it('gives the same bits every time', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 96]);
    const ids = b.input('ids', 'int64', ['N']);
    const y = b.softmax(b.matmul(x, b.input('w', 'float32', [96, 300])), 1);
    const program = await engine().compile(b.graph({ total: b.reduceSum(y, [0]), rows: b.scatterAdd(ids, y, 7) }));
    const wave = (shape: readonly [number, number]) =>
      float32(
        shape,
        Float32Array.from({ length: shape[0] * shape[1] }, (_, index) => Math.sin(index * 0.37)),
      );
    const inputs = {
      x: wave([333, 96]),
      w: wave([96, 300]),
      ids: int64(
        [333],
        Array.from({ length: 333 }, (_, index) => index % 7),
      ),
    };
    const [first, second] = [keep(await program.run(inputs)), keep(await program.run(inputs))];
    for (const name of program.outputNames) expect(second[name]?.read()).toEqual(first[name]?.read());
    await program.release();
  });

  it('leaves the event loop free while it runs, and answers reads between two ops', async () => {
    const program = await engine().compile(longChain(512, 60));
    const beside = engine().upload(float32([1], [7]));
    let turns = 0;
    const reads: number[] = [];
    const timer = setInterval(() => {
      turns++;
      reads.push(...valuesOf(beside));
    }, 1);
    let isDone = false;
    const run = program.run({ w: square(512) }).then((results) => {
      isDone = true;
      return results;
    });
    await expect.poll(() => reads.length).toBeGreaterThan(3);
    expect(isDone).toBe(false);
    keep(await run);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
    expect(reads.every((value) => value === 7)).toBe(true);
    beside.release();
    await program.release();
  });

  it('stops in the middle when the signal fires, leaves nothing, and works afterwards', async () => {
    const program = await engine().compile(longChain(768, 3000), { name: 'long chain' }); // minutes, if it were not stopped
    const w = engine().upload(square(768));
    // The plan and its constants are there after the first run.
    const stopped = async (afterMs: number): Promise<void> => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), afterMs);
      await expect(program.run({ w }, { signal: controller.signal })).rejects.toThrow(
        /^\[cancelled\] run "long chain": the run was stopped/,
      );
    };
    await stopped(100);
    const [{ buffers }, tensors] = [engine().counters(), engine().numTensors()];
    await stopped(50);
    expect(engine().counters().buffers).toBe(buffers);
    expect(engine().numTensors()).toBe(tensors);
    const short = await engine().compile(doubling());
    expect(valuesOf(keep(await short.run({ x: float32([1], [4]) }))['y'])).toEqual([8]);
    await expect(short.run({ x: float32([1], [1]) }, { signal: AbortSignal.abort() })).rejects.toThrow(/^\[cancelled\]/);
    w.release();
    await Promise.all([program.release(), short.release()]);
  });

  it('stops a run that waits for its turn before the turn comes', async () => {
    const program = await engine().compile(longChain(768, 100));
    const w = engine().upload(square(768));
    let isBusy = true;
    const busy = program.run({ w }).finally(() => {
      isBusy = false;
    });
    const controller = new AbortController();
    const waiting = program.run({ w }, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow(/cancelled/);
    expect(isBusy).toBe(true);
    keep(await busy);
    w.release();
    await program.release();
  });

  it('keeps the memory of a buffer that is released while a run reads it', async () => {
    const program = await engine().compile(longChain(256, 10));
    const { bufferBytes } = engine().counters();
    const w = engine().upload(square(256));
    const expected = valuesOf(keep(await program.run({ w }))['y']);
    const run = program.run({ w });
    w.release();
    expect(valuesOf(keep(await run)['y'])).toEqual(expected);
    expect(engine().counters().bufferBytes).toBe(bufferBytes + 8); // the two results
    await program.release();
  });

  it('waits for its runs when it is released, and refuses new ones', async () => {
    const { programs } = engine().counters();
    const program = await engine().compile(longChain(256, 10));
    const run = program.run({ w: square(256) });
    const released = program.release();
    await expect(program.run({ w: square(256) })).rejects.toThrow(/after release/);
    keep(await run);
    await released;
    await program.release();
    expect(engine().counters().programs).toBe(programs);
  });

  it('gives back the buffers of a run that fails, and says what TensorFlow said, and where', async () => {
    const b = new GraphBuilder();
    const graph = b.graph({ y: b.gather(b.input('table', 'float32', [4, 2]), b.input('ids', 'int64', ['N'])) });
    const program = await engine().compile(graph, { name: 'look up' });
    const fail = () => program.run({ table: hostTensor('float32', [4, 2]), ids: int64([2], [1, 9]) });
    await expect(fail()).rejects.toThrow(/^\[engine_failure\] run "look up": gather \(GatherV2\): .*9 is not in \[0, 4\)/);
    const [{ buffers }, tensors] = [engine().counters(), engine().numTensors()];
    await expect(fail()).rejects.toThrow(/engine_failure/);
    expect(engine().counters().buffers).toBe(buffers);
    expect(engine().numTensors()).toBe(tensors);
    await program.release();
  });

  // TensorFlow itself tries for 10 s.
  it('says out_of_memory for a tensor that no memory holds, and works afterwards', async () => {
    const b = new GraphBuilder();
    const size = 2 ** 40;
    const program = await engine().compile(b.graph({ y: b.broadcastTo(b.input('x', 'float32', [1]), [size]) }), { name: 'huge' });
    await expect(program.run({ x: float32([1], [1]) })).rejects.toThrow(/^\[out_of_memory\] run "huge": broadcastTo/);
    await program.release();
    const short = await engine().compile(doubling());
    expect(valuesOf(keep(await short.run({ x: float32([1], [4]) }))['y'])).toEqual([8]);
    await short.release();
  });

  it('names the input, and what was expected and given', async () => {
    const program = await engine().compile(doubling(), { name: 'doubling' });
    await expect(program.run({})).rejects.toThrow('run "doubling", input "x": is missing; the program takes x.');
    await expect(program.run({ x: int64([1], [1]) })).rejects.toThrow('input "x": expected float32, got int64.');
    const wrong = engine().allocate({ dtype: 'float32', shape: [2] });
    await expect(program.run({ x: float32([1], [1]) }, { outputs: { y: wrong } })).rejects.toThrow('output "y": expected [1], got [2].');
    wrong.release();
    await program.release();
  });
});
