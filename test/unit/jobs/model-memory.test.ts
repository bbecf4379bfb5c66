// Models that leave memory for others: the pure decision, and the hub with real models.
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { HubInference, JobStore, ModelHub } from '#jobs';
import { initializeModel } from '#models';
import { importHuggingFace, LocalStore } from '#store';
import { fixtureModelFolder } from '#test/fixture-tokenizers';
import { temporaryFolder } from '#test/temporary';
import { type MemoryUser, makeRoom } from '../../../src/jobs/model-memory.ts';

const MiB = 2 ** 20;
const user = (key: string, mebibytes: number, lastUsed: number, isUsed = false): MemoryUser => ({
  key,
  bytes: mebibytes * MiB,
  lastUsed,
  isUsed,
});
const room = (needed: number, budget: number, users: readonly MemoryUser[]): readonly string[] =>
  makeRoom({ name: 'new', neededBytes: needed * MiB, budgetBytes: budget * MiB, users });

describe('room for a model', () => {
  it('is made by unloading those that were used least recently, and no more than needed', () => {
    const users = [user('b', 30, 2), user('a', 30, 1), user('c', 30, 3)];
    expect(room(10, 100, users)).toEqual([]);
    expect(room(20, 100, users)).toEqual(['a']);
    expect(room(50, 100, users)).toEqual(['a', 'b']);
  });

  it('is never made by unloading one that is used', () => {
    const users = [user('a', 60, 1, true), user('b', 30, 2)];
    expect(room(40, 100, users)).toEqual(['b']);
    expect(() => room(50, 100, users)).toThrow(/insufficient_memory.*needs 50 MiB.*in use take 60 MiB of 100 MiB.*at least 110 MiB/);
  });

  it('is refused to a model that can never fit, with what would', () => {
    expect(() => room(101, 100, [])).toThrow(/insufficient_memory.*"new": needs 101 MiB.*may take 100 MiB.*at least 101 MiB/);
  });
});

describe('ModelHub with a budget', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** Three models of about 1 MiB each. */
  async function setUp(memoryBytes: number): Promise<{ hub: ModelHub; inference: HubInference; loaded: () => Promise<string[]> }> {
    const folder = temporaryFolder();
    const imported = await importHuggingFace(fixtureModelFolder('stories260K'));
    const store = await LocalStore.open(folder);
    for (const [seed, name] of ['a', 'b', 'c'].entries()) {
      const model = initializeModel(imported.model.config, new Random(seed), 0.1);
      await store.saveArtefact(name, { model, tokenizerFiles: imported.tokenizerFiles, generation: imported.generation, meta: {} });
    }
    const jobStore = JobStore.open(join(folder, 'jobs.db'));
    const engine = await createOnnxEngine({ device: 'cpu' });
    const hub = new ModelHub({ store, engine, ledger: jobStore.models, memoryBytes });
    const inference = new HubInference(hub, engine, { keepCacheMs: 0, cacheBytes: MiB });
    closing.push(async () => {
      await hub.dispose();
      expect(engine.counters()).toMatchObject({ bufferBytes: 0, programs: 0 });
      await engine.dispose();
      jobStore.close();
    });
    return { hub, inference, loaded: async () => (await hub.list()).filter((one) => one.loaded).map(({ name }) => name) };
  }

  async function use(inference: HubInference, name: string): Promise<void> {
    for await (const _ of inference.generate(name, { prompt: 'Once', maxNewTokens: 2 }, new AbortController().signal));
  }

  it('unloads the model that was used least recently when another does not fit beside it', async () => {
    // Stored and on the device, a model takes 2 MiB and some: two fit.
    const { inference, loaded } = await setUp(5.5 * MiB);
    await use(inference, 'a');
    await use(inference, 'b');
    expect(await loaded()).toEqual(['a', 'b']);
    await use(inference, 'a');
    await use(inference, 'c');
    expect(await loaded()).toEqual(['a', 'c']);
    await use(inference, 'b');
    expect(await loaded()).toEqual(['b', 'c']);
  });

  it('keeps a model that is used, and refuses another that does not fit beside it until it is not', async () => {
    const { hub, inference, loaded } = await setUp(2.5 * MiB);
    const lease = await hub.acquire('a');
    const busy = inference.generate('a', { prompt: 'Once', maxNewTokens: 2 }, new AbortController().signal);
    await busy.next();
    await expect(hub.acquire('b')).rejects.toThrow(/insufficient_memory.*"b".*in use/);
    expect(await loaded()).toEqual(['a']);
    await busy.return(undefined);
    lease.release();
    (await hub.acquire('b')).release();
    expect(await loaded()).toEqual(['b']);
  });

  it('is not unloaded or deleted while a job uses it, and the job may ask for it again', async () => {
    const { hub, loaded } = await setUp(5.5 * MiB);
    await hub.usingFor('distill-1', 'a', async () => {
      await expect(hub.unload('a')).rejects.toThrow(/wrong_state.*model "a": job distill-1 uses it/);
      await expect(hub.delete('a')).rejects.toMatchObject({ code: 'wrong_state' });
      await hub.usingFor('distill-1', 'a', async ({ version }) => expect(version.name).toBe('a'));
      expect(await loaded()).toEqual(['a']);
    });
    expect(await hub.unload('a')).toBeGreaterThan(0.9 * MiB);
    expect(await loaded()).toEqual([]);
    expect(await hub.unload('a')).toBe(0);
    await hub.delete('a');
    await expect(hub.get('a')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('is unloaded when the calls that use it have ended, while those that come meanwhile load it anew', async () => {
    const { hub, loaded } = await setUp(5.5 * MiB);
    const [first, second] = [await hub.acquire('a'), await hub.acquire('a')];
    let freed = 0;
    const unloading = hub.unload('a').then((bytes) => {
      freed = bytes;
    });
    await expect.poll(loaded).toEqual([]);
    // A call that holds it asks for it again, for example as its own draft: nobody waits for anybody.
    const again = await hub.acquire('a');
    expect(again.model).not.toBe(first.model);
    // Both copies are counted.
    expect(hub.resident.map(({ name }) => name)).toEqual(['a', 'a']);
    first.release();
    again.release();
    expect(freed).toBe(0);
    second.release();
    await unloading;
    expect(freed).toBeGreaterThan(0.9 * MiB);
    expect(await loaded()).toEqual(['a']);
    expect(hub.resident).toHaveLength(1);
  });

  it('refuses a model that could never fit, and goes on', async () => {
    const { hub, inference } = await setUp(0.5 * MiB);
    await expect(hub.acquire('a')).rejects.toThrow(/insufficient_memory.*needs \d+ MiB.*may take 1 MiB/);
    await expect(use(inference, 'a')).rejects.toMatchObject({ code: 'insufficient_memory' });
    expect((await hub.list()).map(({ loaded }) => loaded)).toEqual([false, false, false]);
  });
});
