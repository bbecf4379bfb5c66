// Recorded runs: settings for the runtime, numbers and buffers of recordings, what happens where recording fails, and that CPUs do not notice.
import { describe, expect, it } from 'vitest';
import { AppError } from '#base';
import type { BufferType } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import { float32, toNumbers } from '#tensor';
import type { OnnxBuffer } from '../../../../src/engine/onnx/buffer.ts';
import { cudaSettings } from '../../../../src/engine/onnx/providers.ts';
import { canReplay, Replays, replayEntry, withoutReplays } from '../../../../src/engine/onnx/replays.ts';
import { withAllNativeThreads, withNativeThread } from '../../../../src/engine/onnx/run-gate.ts';

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const place = (address: number, ...shape: number[]) => ({ address: BigInt(address), shape });

describe('settings of recorded runs', () => {
  it('are those of the CUDA provider, for sessions that record alone', () => {
    expect(cudaSettings({ kind: 'cuda', index: 1 }, true)).toEqual({
      device_id: '1',
      arena_extend_strategy: 'kSameAsRequested',
      enable_cuda_graph: '1',
    });
    expect(cudaSettings({ kind: 'cuda', index: 0 }, false)).not.toHaveProperty('enable_cuda_graph');
    expect(['cpu', 'cuda', 'webgpu'].map((kind) => canReplay({ kind: kind as 'cpu', index: 0 }))).toEqual([false, true, false]);
  });

  it('number the recording of a run, and say of other runs that they are none', () => {
    expect(replayEntry(true, { id: 3, isNew: false })).toEqual({ gpu_graph_id: '3' });
    expect(replayEntry(true, undefined)).toEqual({ gpu_graph_id: '-1' });
    expect(replayEntry(false, undefined)).toEqual({});
  });
});

describe('recordings of a program', () => {
  it('have one number for each set of addresses and shapes, up to a limit', () => {
    const replays = new Replays({ allocate: () => ({}) as OnnxBuffer }, 2);
    expect(replays.of([place(16, 1, 1), place(32, 4)])).toEqual({ id: 1, isNew: true });
    expect(replays.of([place(16, 2, 1), place(32, 4)])).toEqual({ id: 2, isNew: true });
    for (let run = 2; run <= 8; run++) expect(replays.of([place(16, 1, 1), place(32, 4)])).toEqual({ id: 1, isNew: true });
    expect(replays.of([place(16, 1, 1), place(32, 4)])).toEqual({ id: 1, isNew: false });
    expect(replays.of([place(48, 1, 1), place(32, 4)])).toBeUndefined();
  });

  it('keep one buffer for an input from the host, and one for a result, in each shape', () => {
    const made: BufferType[] = [];
    const written: unknown[] = [];
    let released = 0;
    const allocate = (type: BufferType): OnnxBuffer => {
      made.push(type);
      return { write: (tensor: unknown) => written.push(tensor), release: () => released++ } as Partial<OnnxBuffer> as OnnxBuffer;
    };
    const replays = new Replays({ allocate });
    const first = replays.staged('tokens', float32([1], [1]));
    expect(replays.staged('tokens', float32([1], [2]))).toBe(first);
    expect(replays.staged('tokens', float32([2], [1, 2]))).not.toBe(first);
    expect(replays.result('tokens', { dtype: 'float32', shape: [1] })).not.toBe(first);
    expect([made.length, written.length]).toEqual([3, 3]);
    replays.release();
    expect(released).toBe(3);
  });
});

describe('a session that is to record', () => {
  it('is made without recording where the runtime refuses the graph, and not where memory or the provider is missing', async () => {
    const tried: boolean[] = [];
    const refusing = (code: 'engine_failure' | 'out_of_memory') => async (replays: boolean) => {
      tried.push(replays);
      if (replays) throw new AppError(code, 'This session cannot use the graph capture feature.');
      return 'session';
    };
    expect(await withoutReplays(true, refusing('engine_failure'))).toEqual({ session: 'session', replays: false });
    expect(tried).toEqual([true, false]);
    await expect(withoutReplays(true, refusing('out_of_memory'))).rejects.toMatchObject({ code: 'out_of_memory' });
    expect(await withoutReplays(false, refusing('engine_failure'))).toEqual({ session: 'session', replays: false });
    expect(await withoutReplays(true, async () => 'session')).toEqual({ session: 'session', replays: true });
  });

  it('records alone: no other native call begins before that has ended', async () => {
    const log: string[] = [];
    const call = (name: string) => async (): Promise<void> => {
      log.push(`${name} begins`);
      await later();
      log.push(`${name} ends`);
    };
    await Promise.all([
      withNativeThread(call('a')),
      withAllNativeThreads(call('b')),
      withAllNativeThreads(call('c')),
      withNativeThread(call('d')),
    ]);
    for (const name of ['b', 'c']) expect(log[log.indexOf(`${name} begins`) + 1]).toBe(`${name} ends`);
    expect(log).toHaveLength(8);
  });

  it('is like any other on the CPU', async () => {
    const engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
    const b = new GraphBuilder();
    const program = await engine.compile(b.graph({ y: b.mul(b.input('x', 'float32', ['N']), 2) }), { replays: true });
    expect(program.replays).toBe(false);
    const [first, second] = [
      await program.run({ x: float32([2], [1, 2]) }, { replays: true }),
      await program.run({ x: float32([2], [3, 4]) }, { replays: true }),
    ];
    expect([...toNumbers(first['y']!.read()), ...toNumbers(second['y']!.read())]).toEqual([2, 4, 6, 8]);
    first['y']!.release();
    second['y']!.release();
    await program.release();
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
    await engine.dispose();
  });
});
