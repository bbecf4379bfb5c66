// Reads single tensors of a safetensors file for tests that want real matrices and no model around them.
import { closeSync, openSync, readSync } from 'node:fs';
import { arrayView, castTensor, type DType, dtypeBytes, type HostTensor, hostTensor, sizeOf } from '#tensor';

const dtypes: Readonly<Record<string, DType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** One float tensor as float32. @throws Error when the file has no such tensor */
export function readTensor(path: string, name: string): HostTensor<'float32'> {
  const file = openSync(path, 'r');
  try {
    const read = (position: number, length: number): Buffer => {
      const bytes = Buffer.from(new ArrayBuffer(length));
      readSync(file, bytes, 0, length, position);
      return bytes;
    };
    const headerLength = Number(read(0, 8).readBigUInt64LE());
    const header: Readonly<Record<string, Entry>> = JSON.parse(read(8, headerLength).toString('utf8'));
    const entry = header[name];
    const dtype = dtypes[entry?.dtype ?? ''];
    if (entry === undefined || dtype === undefined) throw new Error(`${path} has no float tensor ${name}`);
    const length = sizeOf(entry.shape);
    const bytes = read(8 + headerLength + entry.data_offsets[0], length * dtypeBytes[dtype]);
    return castTensor(hostTensor(dtype, entry.shape, arrayView(dtype, bytes.buffer, 0, length)), 'float32');
  } finally {
    closeSync(file);
  }
}
