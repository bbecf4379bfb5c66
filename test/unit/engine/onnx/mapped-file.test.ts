// Mapped files: the bytes that are there, for as long as somebody looks, shared by processes and never written back.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { createOnnxEngine, mapFile } from '#engine/onnx';
import { LocalStore } from '#store';
import { rawBytes } from '#tensor';
import { storeFixture } from '#test/model-server';
import { temporaryFolder } from '#test/temporary';
import { probeAnswer } from '../../../../src/jobs/verification/probe.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.skipIf(process.platform === 'win32')('mapFile', () => {
  const made = (): { path: string; bytes: Uint8Array } => {
    const path = join(temporaryFolder(), 'file');
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) % 256);
    writeFileSync(path, bytes);
    return { path, bytes };
  };

  it.each([
    [0, 300_000],
    [1, 10],
    [65_535, 65_538],
    [65_536, 100_000],
    [299_999, 1],
  ])('shows the bytes from %i on, %i of them, also when the file is closed and gone', (offset, size) => {
    const { path, bytes } = made();
    const file = openSync(path, 'r');
    const mapped = mapFile(file, offset, size);
    closeSync(file);
    rmSync(path);
    expect(mapped?.length).toBe(size);
    expect(sha256(mapped ?? new Uint8Array())).toBe(sha256(bytes.subarray(offset, offset + size)));
  });

  it('keeps what is written to itself', () => {
    const { path, bytes } = made();
    const file = openSync(path, 'r');
    const [one, other] = [mapFile(file, 0, bytes.length), mapFile(file, 0, bytes.length)];
    closeSync(file);
    one?.fill(0);
    expect(sha256(other ?? new Uint8Array())).toBe(sha256(bytes));
    expect(sha256(readFileSync(path))).toBe(sha256(bytes));
  });

  it('answers undefined for what is no file', () => {
    expect(mapFile(9999, 0, 100)).toBeUndefined();
  });
});

describe.skipIf(process.platform !== 'linux')('a store that maps', () => {
  it('loads the same model, whose large weights lie in the file and answer the same', async () => {
    const folder = temporaryFolder();
    const reading = await storeFixture(folder, 'stories260K', 'm');
    const mapping = await LocalStore.open(folder, { map: mapFile });
    const [read, mapped] = [(await reading.loadArtefact('m')).model, (await mapping.loadArtefact('m')).model];
    for (const [path, { tensors }] of read.parameters)
      for (const [slot, tensor] of Object.entries(tensors))
        expect(sha256(rawBytes(mapped.parameters.get(path)!.tensors[slot]!)), path).toBe(sha256(rawBytes(tensor)));
    expect(readFileSync('/proc/self/maps', 'utf8')).toMatch(/model\.safetensors/);
    const engine = await createOnnxEngine({ device: 'cpu' });
    const [wanted, found] = [await probeAnswer(engine, read, quietContext), await probeAnswer(engine, mapped, quietContext)];
    expect(found.numbers).toEqual(wanted.numbers);
    await engine.dispose();
  });
});
