// The local store: versions, addresses, damage, full disks, concurrent writers and killed processes.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { denseParameter, type Model, replaceParameters } from '#models';
import { type ArtefactContent, LocalStore, readSafetensors } from '#store';
import { float32, hostTensor, int32, tensorBytes } from '#tensor';
import { temporaryFolder } from '../../support/temporary.ts';
import { failingDisk, tinyGpt2, tinyLlama, tinyModel, tinyTokenizer } from './models.ts';

const clock = { nowMs: () => Date.UTC(2026, 0, 2), monotonicMs: () => 0 };
/** Larger than any process id that Linux or macOS gives. */
const deadProcessId = 2 ** 30;

function contentOf(model: Model, meta: ArtefactContent['meta'] = {}): ArtefactContent {
  return { model, tokenizerFiles: tinyTokenizer(model.config.vocabularySize), generation: { temperature: 0.7 }, meta };
}

function lowRankModel(): Model {
  const left = float32([6, 1], [1, 2, 3, 4, 5, 6]);
  const right = float32([1, 18], new Float32Array(18).fill(0.5));
  return replaceParameters(tinyModel(tinyGpt2), [
    { path: 'h.0.attn.qkv.weight', kind: 'lowRank', settings: { rank: 1 }, tensors: { left, right } },
  ]);
}

/** Every file below the store's root. */
function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

describe('LocalStore', () => {
  it('gives back the model, its files and its record', async () => {
    const store = await LocalStore.open(temporaryFolder(), { clock });
    const meta = {
      parents: [{ hash: 'a'.repeat(64), role: 'teacher' }],
      recipe: { steps: [{ lowRank: { ratio: 0.5 } }] },
      settings: { seed: 3 },
      data: { sha256: 'x', tokens: 12 },
      evaluation: { bitsPerByte: 1.5 },
    };
    const content = contentOf(lowRankModel(), meta);
    const version = await store.saveArtefact('student', content);
    expect(version).toMatchObject({ name: 'student', version: 1, created: '2026-01-02T00:00:00.000Z', architecture: 'gpt2' });
    const { version: loadedVersion, ...loaded } = await store.loadArtefact('student');
    expect(loadedVersion).toEqual(version);
    expect(loaded.meta).toEqual(meta);
    expect(loaded.generation).toEqual({ temperature: 0.7 });
    expect(loaded.tokenizerFiles.get('tokenizer.json')).toEqual(content.tokenizerFiles.get('tokenizer.json'));
    expect(loaded.model.config).toEqual(content.model.config);
    expect([...loaded.model.parameters]).toEqual([...content.model.parameters]);
    expect(await store.readMeta('student@1')).toEqual(meta);
  });

  it('keeps slots that are held in codes', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const codes = hostTensor(
      'uint8',
      [18, 1, 8],
      Uint8Array.from({ length: 144 }, (_, index) => index),
    );
    const scales = hostTensor('float16', [18, 1], new Uint16Array(18).fill(0x3c00));
    const settings = { 'value.bits': 4, 'value.groupSize': 16, 'value.symmetric': true };
    const tensors = { 'value.codes': codes, 'value.scales': scales };
    const model = replaceParameters(tinyModel(tinyGpt2), [{ path: 'h.0.attn.qkv.weight', kind: 'dense', settings, tensors }]);
    await store.saveArtefact('quantized', contentOf(model));
    expect([...(await store.loadArtefact('quantized')).model.parameters]).toEqual([...model.parameters]);
  });

  it('keeps Kronecker weights with their orders', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const model = replaceParameters(tinyModel(tinyGpt2), [
      {
        path: 'h.0.attn.out.weight',
        kind: 'kronecker',
        settings: { terms: 1, innerRows: 2, innerColumns: 3, permutedRows: true },
        tensors: {
          outer: float32([1, 3, 2], [1, 2, 3, 4, 5, 6]),
          inner: float32([1, 2, 3], [6, 5, 4, 3, 2, 1]),
          rowOrder: int32([6], [5, 3, 1, 0, 2, 4]),
        },
      },
    ]);
    await store.saveArtefact('kronecker', contentOf(model));
    expect([...(await store.loadArtefact('kronecker')).model.parameters]).toEqual([...model.parameters]);
  });

  it('keeps the element types of a Llama model', async () => {
    const store = await LocalStore.open(temporaryFolder());
    for (const dtype of ['float16', 'bfloat16', 'float32'] as const) {
      const model = tinyModel(tinyLlama, dtype);
      await store.saveArtefact('llama', contentOf(model));
      expect([...(await store.loadArtefact('llama')).model.parameters]).toEqual([...model.parameters]);
    }
  });

  it('counts versions, and answers the latest unless one is named', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const first = await store.saveArtefact('m', contentOf(tinyModel(tinyGpt2, 'float32', 1)));
    const second = await store.saveArtefact('m', contentOf(tinyModel(tinyGpt2, 'float32', 2)));
    expect([first.version, second.version]).toEqual([1, 2]);
    expect(await store.resolve('m')).toEqual(second);
    expect(await store.resolve('m@1')).toEqual(first);
    expect((await store.list()).versions).toEqual([first, second]);
    await expect(store.resolve('m@3')).rejects.toMatchObject({ code: 'model_not_found', message: expect.stringMatching(/there are 1, 2/) });
    await expect(store.loadArtefact('other')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('stores equal content once, under one address', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    const first = await store.saveArtefact('a', contentOf(tinyModel(tinyGpt2)));
    const again = await store.saveArtefact('a', contentOf(tinyModel(tinyGpt2)));
    const other = await store.saveArtefact('b', contentOf(tinyModel(tinyGpt2)));
    expect(again).toEqual(first);
    expect(other.hash).toBe(first.hash);
    expect(readdirSync(join(root, 'objects'))).toEqual([first.hash]);
    expect(readdirSync(join(root, 'temp'))).toEqual([]);
  });

  it('stores a tensor that two parameters hold once, and loads it as one', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const model = tinyModel(tinyGpt2);
    const shared = model.parameters.get('h.0.mlp.fc.weight')!.tensors['value']!;
    const sharing = replaceParameters(model, [denseParameter('h.1.mlp.fc.weight', shared)]);
    const plain = await store.saveArtefact('plain', contentOf(model));
    const version = await store.saveArtefact('sharing', contentOf(sharing));
    expect(plain.storedBytes - version.storedBytes).toBe(tensorBytes(shared));
    expect((await readSafetensors(join(store.folderOf(version.hash), 'model.safetensors'))).tensors.has('h.1.mlp.fc.weight')).toBe(false);
    const { parameters } = (await store.loadArtefact('sharing')).model;
    expect(parameters.get('h.1.mlp.fc.weight')?.tensors['value']).toBe(parameters.get('h.0.mlp.fc.weight')?.tensors['value']);
  });

  it('tells the bytes of the tensors and of the files', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const model = tinyModel(tinyGpt2);
    const version = await store.saveArtefact('m', contentOf(model));
    const tensors = [...model.parameters.values()].reduce((sum, { tensors: { value } }) => sum + tensorBytes(value!), 0);
    expect(version.storedBytes).toBe(tensors);
    const folder = store.folderOf(version.hash);
    const files = readdirSync(folder).filter((name) => name !== 'manifest.json');
    expect(version.artefactBytes).toBe(files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0));
  });

  it('deletes a version or a name, and only content that nothing else names', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    const first = await store.saveArtefact('a', contentOf(tinyModel(tinyGpt2, 'float32', 1)));
    const second = await store.saveArtefact('a', contentOf(tinyModel(tinyGpt2, 'float32', 2)));
    await store.saveArtefact('b', contentOf(tinyModel(tinyGpt2, 'float32', 1)));
    await store.deleteArtefact('a@2');
    expect(existsSync(store.folderOf(second.hash))).toBe(false);
    await expect(store.resolve('a@2')).rejects.toMatchObject({ code: 'model_not_found' });
    // A number is not given again: somebody may have written it down.
    expect((await store.saveArtefact('a', contentOf(tinyModel(tinyGpt2, 'float32', 3)))).version).toBe(3);
    await store.deleteArtefact('a');
    expect(readdirSync(join(root, 'objects'))).toEqual([first.hash]);
    await store.loadArtefact('b');
    await store.deleteArtefact('b@1');
    expect(filesOf(root)).toEqual([]);
    await expect(store.deleteArtefact('b')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it.each([
    ['', /is empty/],
    ['..', /begins with a dot/],
    ['.hidden', /begins with a dot/],
    ['-x', /begins with a dot or a dash/],
    ['../x', /"\/" at position 2/],
    ['a/b', /"\/" at position 1/],
    ['a\\b', /at position 1/],
    ['a b', /" " at position 1/],
    ['naïve', /"ï" at position 2/],
    ['a\0', /at position 1/],
    ['x'.repeat(129), /has 129 characters/],
  ])('refuses the name %j', async (name, message) => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    const expected = { code: 'bad_name', message: expect.stringMatching(message) };
    await expect(store.saveArtefact(name, contentOf(tinyModel(tinyGpt2)))).rejects.toMatchObject(expected);
    await expect(store.loadArtefact(name)).rejects.toMatchObject(expected);
    await expect(store.deleteArtefact(name)).rejects.toMatchObject(expected);
    expect(filesOf(root)).toEqual([]);
  });

  it.each(['m@', 'm@0', 'm@x', 'm@1@2', 'm@-1', 'm@1e3'])('refuses the reference %j', async (reference) => {
    const store = await LocalStore.open(temporaryFolder());
    await expect(store.resolve(reference)).rejects.toMatchObject({ code: 'bad_name' });
  });

  it('accepts names of 128 letters, digits, dots, dashes and underscores', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const name = `A_b.c-9${'x'.repeat(121)}`;
    await store.saveArtefact(name, contentOf(tinyModel(tinyGpt2)));
    expect((await store.resolve(name)).name).toBe(name);
  });

  const damages: readonly (readonly [what: string, damage: (folder: string) => void, message: RegExp])[] = [
    [
      'a changed byte in the weights',
      (folder) => {
        const bytes = readFileSync(join(folder, 'model.safetensors'));
        bytes[bytes.length - 1]! ^= 1;
        writeFileSync(join(folder, 'model.safetensors'), bytes);
      },
      /model\.safetensors has the SHA-256 [0-9a-f]{64} instead of/,
    ],
    ['cut weights', (folder) => writeFileSync(join(folder, 'model.safetensors'), 'x'), /model\.safetensors has 1 bytes instead of \d+/],
    ['a missing file', (folder) => rmSync(join(folder, 'athanor.json')), /athanor\.json is missing/],
    ['a missing manifest', (folder) => rmSync(join(folder, 'manifest.json')), /manifest\.json is missing/],
    ['a missing folder', (folder) => rmSync(folder, { recursive: true }), /manifest\.json is missing/],
    ['a changed manifest', (folder) => writeFileSync(join(folder, 'manifest.json'), '{"files":{}}'), /manifest\.json has the hash/],
    ['a manifest that is no JSON', (folder) => writeFileSync(join(folder, 'manifest.json'), '{'), /not JSON/],
  ];
  it.each(damages)('notices %s, and saving the model again repairs it', async (_what, damage, message) => {
    const store = await LocalStore.open(temporaryFolder());
    const content = contentOf(tinyModel(tinyGpt2));
    const version = await store.saveArtefact('m', content);
    damage(store.folderOf(version.hash));
    await expect(store.loadArtefact('m')).rejects.toMatchObject({ code: 'bad_artefact', message: expect.stringMatching(message) });
    expect(await store.saveArtefact('m', content)).toEqual(version);
    await store.loadArtefact('m');
  });

  it('lists the other names when one record is damaged, deletes nothing then, and can delete the record', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    const good = await store.saveArtefact('good', contentOf(tinyModel(tinyGpt2)));
    const lost = await store.saveArtefact('lost', contentOf(tinyModel(tinyLlama)));
    writeFileSync(join(root, 'names/lost.json'), '{"name": "lost"');
    const listing = await (await LocalStore.open(root)).list();
    expect(listing.versions).toEqual([good]);
    expect(listing.damaged).toEqual([{ name: 'lost', problem: expect.stringMatching(/\[bad_artefact\] names\/lost\.json: not JSON/) }]);
    expect(existsSync(store.folderOf(lost.hash))).toBe(true);
    await store.deleteArtefact('lost');
    expect(existsSync(store.folderOf(lost.hash))).toBe(false);
  });

  it('keeps what was there and nothing else when the disk is full, after any number of bytes', async () => {
    const root = temporaryFolder();
    const before = await (await LocalStore.open(root)).saveArtefact('m', contentOf(tinyModel(tinyGpt2)));
    const files = filesOf(root);
    const content = contentOf(tinyModel(tinyLlama));
    for (let freeBytes = 0; ; freeBytes += 900) {
      const store = await LocalStore.open(root, { fileSystem: failingDisk({ freeBytes }) });
      const outcome = await store.saveArtefact('m', content).catch((thrown: unknown) => thrown);
      if (!(outcome instanceof Error)) break;
      expect(outcome).toMatchObject({
        code: 'disk_full',
        message: expect.stringMatching(/saving "m": the disk was full after \d+ bytes; nothing was kept/),
      });
      expect(filesOf(root)).toEqual(files);
      expect(await store.resolve('m')).toEqual(before);
    }
    for (const renames of [0, 1]) {
      const store = await LocalStore.open(root, { fileSystem: failingDisk({ renames }) });
      await expect(store.saveArtefact('n', contentOf(tinyModel(tinyGpt2, 'float32', 9)))).rejects.toMatchObject({ code: 'disk_full' });
      expect(readdirSync(join(root, 'objects')).length).toBe(2);
      expect(readdirSync(join(root, 'temp'))).toEqual([]);
    }
  });

  it('stops when it is cancelled, leaving nothing', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    await expect(store.saveArtefact('m', contentOf(tinyModel(tinyGpt2)), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(filesOf(root)).toEqual([]);
    await store.saveArtefact('m', contentOf(tinyModel(tinyGpt2)));
    await expect(store.loadArtefact('m', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('gives a name to one writer at a time', async () => {
    const root = temporaryFolder();
    const [store, other] = [await LocalStore.open(root), await LocalStore.open(root)];
    const reservation = await store.reserve('m');
    const content = contentOf(tinyModel(tinyGpt2));
    await expect(store.reserve('m')).rejects.toMatchObject({
      code: 'name_taken',
      message: expect.stringMatching(/another job is writing/),
    });
    await expect(other.saveArtefact('m', content)).rejects.toMatchObject({ code: 'name_taken' });
    await expect(other.deleteArtefact('m')).rejects.toMatchObject({ code: 'name_taken' });
    await other.saveArtefact('n', content);
    await store.saveArtefact('m', content, { reservation });
    await expect(other.reserve('m')).rejects.toMatchObject({ code: 'name_taken' });
    await reservation.release();
    await reservation.release();
    const next = await other.reserve('m');
    await reservation.release();
    await expect(store.reserve('m')).rejects.toMatchObject({ code: 'name_taken' });
    await next.release();
  });

  it('saves different names at the same time', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((name, seed) => store.saveArtefact(name, contentOf(tinyModel(tinyGpt2, 'float32', seed % 2)))));
    expect((await store.list()).versions.map(({ name }) => name)).toEqual(names);
    expect(readdirSync(join(root, 'objects')).length).toBe(2);
  });

  it('removes what killed processes left, and leaves what living ones are writing', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    const version = await store.saveArtefact('m', contentOf(tinyModel(tinyGpt2)));
    const leftovers = [`temp/${deadProcessId}-x`, `temp/${process.pid}-x`, 'temp/junk', 'objects/half'];
    for (const leftover of [...leftovers, `temp/${process.ppid}-x`]) {
      mkdirSync(join(root, leftover));
      writeFileSync(join(root, leftover, 'model.safetensors'), 'half');
    }
    writeFileSync(join(root, 'locks/m.lock'), JSON.stringify({ processId: deadProcessId, token: 'x' }));
    writeFileSync(join(root, 'store.lock'), JSON.stringify({ processId: process.pid, token: 'of an earlier process' }));
    const reopened = await LocalStore.open(root);
    for (const leftover of leftovers) expect(existsSync(join(root, leftover)), leftover).toBe(false);
    expect(existsSync(join(root, `temp/${process.ppid}-x`))).toBe(true);
    expect((await reopened.list()).versions).toEqual([version]);
    expect((await reopened.saveArtefact('m', contentOf(tinyModel(tinyLlama)))).version).toBe(2);
  });

  it.each([
    ['bytes', 0],
    ['bytes', 4000],
    ['renames', 0],
    ['renames', 1],
  ])('is whole after a writer was killed after %s %i', async (what, count) => {
    const root = temporaryFolder();
    const before = await (await LocalStore.open(root)).saveArtefact('m', contentOf(tinyModel(tinyGpt2)));
    const files = filesOf(root);
    const script = join(import.meta.dirname, 'killed-writer.ts');
    const { signal, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, root, what, String(count)], { encoding: 'utf8' });
    expect(signal, stderr).toBe('SIGKILL');
    expect(filesOf(root)).not.toEqual(files);
    const reopened = await LocalStore.open(root);
    expect(filesOf(root).filter((file) => !file.startsWith('locks/'))).toEqual(files);
    expect((await reopened.list()).versions).toEqual([before]);
    expect((await reopened.saveArtefact('m', contentOf(tinyModel(tinyLlama)))).version).toBe(2);
    await reopened.loadArtefact('m@1');
    await reopened.loadArtefact('m@2');
  });

  it('does not take the name that a living process holds', async () => {
    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    writeFileSync(join(root, 'locks/m.lock'), JSON.stringify({ processId: process.ppid, token: 'x' }));
    await expect(store.reserve('m')).rejects.toMatchObject({ code: 'name_taken' });
    writeFileSync(join(root, 'locks/n.lock'), ''); // created, but not yet written
    await expect(store.reserve('n')).rejects.toMatchObject({ code: 'name_taken' });
  });

  it('refuses a kind of parametrization that it does not know', async () => {
    const store = await LocalStore.open(temporaryFolder());
    const value = float32([6], [1, 2, 3, 4, 5, 6]);
    const model = replaceParameters(tinyModel(tinyGpt2), [{ path: 'norm.bias', kind: 'fromTheFuture', settings: {}, tensors: { value } }]);
    await store.saveArtefact('m', contentOf(model));
    await expect(store.loadArtefact('m')).rejects.toMatchObject({
      code: 'config_mismatch',
      message: expect.stringMatching(/fromTheFuture/),
    });
  });

  it('names the place when the store cannot be opened', async () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, '');
    await expect(LocalStore.open(path)).rejects.toMatchObject({
      code: 'file_not_found',
      message: expect.stringMatching(/opening the store/),
    });
  });
});
