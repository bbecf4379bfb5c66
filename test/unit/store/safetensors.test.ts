// safetensors: our files, Python's files, and files that lie.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FolderWriter, localFileSystem, readSafetensors, tensorSource, writeSafetensors } from '#store';
import { fromNumbers, type HostTensor, hostTensor, toNumbers } from '#tensor';
import { temporaryFolder } from '../../support/temporary.ts';
import { itWithPython, runPython } from './python.ts';

const dtypes = ['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int8', 'uint8', 'bool'] as const;

function samples(): Map<string, HostTensor> {
  const numbers = [1, 0, 2, 3, 4, 100];
  const tensors = new Map<string, HostTensor>();
  for (const dtype of dtypes) tensors.set(`t.${dtype}`, hostTensor(dtype, [2, 3], fromNumbers(dtype, numbers)));
  tensors.set('scalar', hostTensor('float32', [], Float32Array.of(7)));
  tensors.set('empty', hostTensor('float16', [0, 4]));
  tensors.set('odd', hostTensor('uint8', [3], Uint8Array.of(1, 2, 3)));
  tensors.set('17', hostTensor('int8', [1], Int8Array.of(-5)));
  return tensors;
}

async function write(folder: string, tensors: ReadonlyMap<string, HostTensor>, metadata = {}): Promise<string> {
  const sources = new Map([...tensors].map(([name, tensor]) => [name, tensorSource(tensor)]));
  await writeSafetensors(new FolderWriter(localFileSystem, folder), 'x.safetensors', sources, metadata);
  return join(folder, 'x.safetensors');
}

/** A file from a header text and a number of data bytes. */
function craft(header: string | Uint8Array, dataBytes: number, length?: bigint): Uint8Array {
  const text = Buffer.from(header);
  const bytes = Buffer.alloc(8 + text.length + dataBytes);
  bytes.writeBigUInt64LE(length ?? BigInt(text.length));
  text.copy(bytes, 8);
  return bytes;
}

describe('safetensors', () => {
  it('gives back every element type, scalars and empty tensors as they were written', async () => {
    const tensors = samples();
    const { tensors: read, metadata } = await readSafetensors(await write(temporaryFolder(), tensors, { format: 'pt' }));
    expect(metadata).toEqual({ format: 'pt' });
    expect([...read.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, tensor] of tensors) expect(read.get(name)).toEqual(tensor);
  });

  it('aligns the data to 8 bytes and every tensor to its element size', async () => {
    const bytes = readFileSync(await write(temporaryFolder(), samples()));
    const headerBytes = Number(bytes.readBigUInt64LE());
    expect(headerBytes % 8).toBe(0);
    const header: Record<string, { dtype: string; data_offsets: [number, number] }> = JSON.parse(
      bytes.subarray(8, 8 + headerBytes).toString(),
    );
    const widths: Record<string, number> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2 };
    const order = Object.values(header).map(({ dtype, data_offsets: [begin] }) => {
      expect(begin % (widths[dtype] ?? 1)).toBe(0);
      return widths[dtype] ?? 1;
    });
    expect(Math.max(...order)).toBe(8);
  });

  it('writes equal bytes whatever the order of the tensors', async () => {
    const forward = readFileSync(await write(temporaryFolder(), samples()));
    const backward = readFileSync(await write(temporaryFolder(), new Map([...samples()].reverse())));
    expect(forward.equals(backward)).toBe(true);
  });

  it('writes and reads a file without tensors', async () => {
    const { tensors } = await readSafetensors(await write(temporaryFolder(), new Map()));
    expect(tensors.size).toBe(0);
  });

  const entry = (name: string, begin: number, end: number, rest = '"dtype":"F32","shape":[1]'): string =>
    `"${name}":{${rest},"data_offsets":[${begin},${end}]}`;
  const badFiles: readonly (readonly [what: string, bytes: Uint8Array, message: RegExp])[] = [
    ['an empty file', new Uint8Array(0), /has 0 bytes, fewer than the 8/],
    ['a header that is cut short', craft('{}', 0, 1000n), /1000 bytes, but the whole file has only 10; it is cut short/],
    ['a header over 100 MiB', craft('{}', 0, 200_000_000n), /200000000 bytes, more than the 104857600 allowed/],
    ['a header length near 2^64', craft('{}', 0, 2n ** 64n - 1n), /18446744073709551615 bytes, more than/],
    ['a pickle', Buffer.from('PK\x03\x04 and so on, a zip file'), /no safetensors file/],
    ['a header that is no object', craft('[1]', 0), /does not begin with "\{"/],
    ['a header that is no JSON', craft('{"a":', 0), /not JSON/],
    ['a header that is not UTF-8', craft(Uint8Array.of(0x7b, 0xff, 0x7d), 0), /not UTF-8/],
    ['a name that is there twice', craft(`{${entry('a', 0, 4)},${entry('a', 0, 4)}}`, 4), /the key "a" is there twice/],
    ['a name that is there twice in disguise', craft(`{${entry('a', 0, 4)},${entry('\\u0061', 0, 4)}}`, 4), /the key "a" is there twice/],
    ['overlapping tensors', craft(`{${entry('a', 0, 4)},${entry('b', 2, 6)}}`, 6), /"b" begins at 2 and overlaps "a", which ends at 4/],
    ['a gap between tensors', craft(`{${entry('a', 0, 4)},${entry('b', 8, 12)}}`, 12), /4 bytes between "a" and "b" belong to no tensor/],
    ['a gap before the first tensor', craft(`{${entry('a', 4, 8)}}`, 8), /4 bytes between the header and "a"/],
    ['bytes after the last tensor', craft(`{${entry('a', 0, 4)}}`, 7), /3 bytes after "a" belong to no tensor/],
    ['data that is cut short', craft(`{${entry('a', 0, 4)}}`, 1), /cut short by 3/],
    ['a wrong length', craft(`{${entry('a', 0, 8)}}`, 8), /tensor "a": F32 \[1\] takes 4 bytes, but its offsets \[0, 8\] span 8/],
    ['offsets in reverse', craft(`{${entry('a', 4, 0)}}`, 4), /span -4/],
    ['a negative offset', craft(`{${entry('a', -4, 0)}}`, 4), /wrong at data_offsets\.0/],
    ['an unknown element type', craft(`{${entry('a', 0, 1, '"dtype":"F8_E4M3","shape":[1]')}}`, 1), /"F8_E4M3"; readable are F64, F32/],
    ['a type that is a method of objects', craft(`{${entry('a', 0, 1, '"dtype":"toString","shape":[1]')}}`, 1), /"toString"; readable/],
    ['a fractional shape', craft(`{${entry('a', 0, 4, '"dtype":"F32","shape":[1.5]')}}`, 4), /wrong at shape\.0/],
    ['a negative shape', craft(`{${entry('a', 0, 4, '"dtype":"F32","shape":[-1,-1]')}}`, 4), /wrong at shape\.0/],
    ['a shape that overflows', craft(`{${entry('a', 0, 4, '"dtype":"F32","shape":[4294967296,4294967296]')}}`, 4), /overflows/],
    ['a missing shape', craft('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), /wrong at shape/],
    ['an entry that is no object', craft('{"a":3}', 0), /wrong at the top/],
    ['metadata that is not text', craft('{"__metadata__":{"a":1}}', 0), /"__metadata__" is not a map from text to text/],
  ];
  it.each(badFiles)('refuses %s', async (_what, bytes, message) => {
    const path = join(temporaryFolder(), 'bad.safetensors');
    writeFileSync(path, bytes);
    await expect(readSafetensors(path)).rejects.toMatchObject({ code: 'bad_safetensors', message: expect.stringMatching(message) });
    await expect(readSafetensors(path)).rejects.toThrow(/bad\.safetensors.*Download or write the checkpoint again|Write or download/);
  });

  it('refuses every truncation of a good file', async () => {
    const whole = readFileSync(await write(temporaryFolder(), samples()));
    const path = join(temporaryFolder(), 'cut.safetensors');
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(path, whole.subarray(0, length));
      await expect(readSafetensors(path)).rejects.toMatchObject({ code: 'bad_safetensors' });
    }
  });

  it('names a missing file and a folder in its place', async () => {
    const folder = temporaryFolder();
    await expect(readSafetensors(join(folder, 'none'))).rejects.toMatchObject({ code: 'file_not_found' });
    const inner = mkdtempSync(join(folder, 'x'));
    await expect(readSafetensors(inner)).rejects.toMatchObject({
      code: 'bad_safetensors',
      message: expect.stringMatching(/is not a file/),
    });
  });

  it('stops reading when it is cancelled', async () => {
    const path = await write(temporaryFolder(), samples());
    await expect(readSafetensors(path, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
  });

  itWithPython("writes what Python's library reads", async () => {
    const tensors = samples();
    const path = await write(temporaryFolder(), tensors, { format: 'pt' });
    const read = (await runPython('safetensors_oracle.py', 'read', path)) as {
      metadata: object;
      tensors: Record<string, { dtype: string; shape: number[]; values: number[] }>;
    };
    expect(read.metadata).toEqual({ format: 'pt' });
    expect(Object.keys(read.tensors).sort()).toEqual([...tensors.keys()].sort());
    for (const [name, tensor] of tensors) {
      expect(read.tensors[name]).toEqual({ dtype: `torch.${tensor.dtype}`, shape: tensor.shape, values: [...toNumbers(tensor)] });
    }
  });

  itWithPython("reads what Python's library writes", async () => {
    const path = join(temporaryFolder(), 'python.safetensors');
    await runPython('safetensors_oracle.py', 'write', path);
    const { tensors, metadata } = await readSafetensors(path);
    expect(metadata).toEqual({ format: 'pt' });
    const values = [-1.5, 0, 2, 3, 4, 100];
    for (const name of ['F64', 'F32', 'F16', 'BF16']) expect([...toNumbers(tensors.get(name)!)]).toEqual(values);
    for (const name of ['I64', 'I32', 'I8']) expect([...toNumbers(tensors.get(name)!)]).toEqual([-1, 0, 2, 3, 4, 100]);
    expect([...toNumbers(tensors.get('U8')!)]).toEqual([1, 0, 2, 3, 4, 100]);
    expect([...toNumbers(tensors.get('BOOL')!)]).toEqual([1, 0, 1, 1, 1, 1]);
    expect(tensors.get('scalar')).toEqual(hostTensor('float32', [], Float32Array.of(7)));
    expect(tensors.get('empty')?.shape).toEqual([0, 4]);
  });
});
