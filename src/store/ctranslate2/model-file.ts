// model.bin of CTranslate2: a list of named tensors, some as integers with a scale.
import { AppError } from '#base';
import { float32, type HostTensor, sizeOf } from '#tensor';

const fileName = 'model.bin';

/** A tensor as it is stored; numbers of integer types are codes. */
interface Stored {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int16Array | Int8Array;
}

export interface ModelFile {
  /** For example `TransformerBase`. */
  readonly spec: string;
  readonly revision: number;
  /** By name; codes are multiplied out. */
  readonly tensors: ReadonlyMap<string, HostTensor<'float32'>>;
}

function damaged(problem: string): AppError {
  return new AppError('bad_weights', `${fileName}: ${problem}. Copy the file again, or convert the model again.`);
}

/** Reads little-endian numbers one after the other, never past the end. */
class Reader {
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#view.byteLength;
  }

  number(size: 1 | 2 | 4): number {
    const start = this.#take(size);
    return size === 1 ? this.#view.getUint8(start) : size === 2 ? this.#view.getUint16(start, true) : this.#view.getUint32(start, true);
  }

  /** A length, then the characters, the last of which is 0. */
  text(): string {
    const length = this.number(2);
    const start = this.#take(length);
    return Buffer.from(this.#view.buffer, this.#view.byteOffset + start, length)
      .toString('utf8')
      .replace(/\0$/, '');
  }

  /** A copy, since the file's tensors lie at any offset. */
  bytes(length: number): ArrayBuffer {
    const start = this.#view.byteOffset + this.#take(length);
    return Uint8Array.from(new Uint8Array(this.#view.buffer, start, length)).buffer;
  }

  #take(length: number): number {
    const start = this.#offset;
    if (start + length > this.#view.byteLength) throw damaged(`ends in the middle of a tensor, at byte ${this.#view.byteLength}`);
    this.#offset = start + length;
    return start;
  }
}

/**
 * Reads a file of binary version 2 or 3.
 *
 * @throws AppError `unsupported` for another version or element type | `bad_weights` for a damaged file
 */
export function readModelFile(bytes: Uint8Array): ModelFile {
  const reader = new Reader(bytes);
  const version = reader.number(4);
  if (version !== 2 && version !== 3) throw new AppError('unsupported', `${fileName}: binary version ${version} is not read; 2 and 3 are.`);
  const spec = reader.text();
  const revision = reader.number(4);
  const numTensors = reader.number(4);
  const stored = new Map<string, Stored>();
  for (let index = 0; index < numTensors; index++) stored.set(reader.text(), readTensor(reader));
  const tensors = new Map<string, HostTensor<'float32'>>();
  for (const [name, tensor] of stored) if (!name.endsWith('_scale')) tensors.set(name, decoded(name, tensor, stored.get(`${name}_scale`)));
  return { spec, revision, tensors };
}

function readTensor(reader: Reader): Stored {
  const shape = Array.from({ length: reader.number(1) }, () => reader.number(4));
  const itemBytes = reader.number(1);
  const count = reader.number(4);
  if (count !== sizeOf(shape)) throw damaged(`a tensor of ${count} elements is said to be [${shape.join(', ')}]`);
  const data = reader.bytes(itemBytes * count);
  if (itemBytes === 4) return { shape, values: new Float32Array(data) };
  if (itemBytes === 2) return { shape, values: new Int16Array(data) };
  if (itemBytes === 1) return { shape, values: new Int8Array(data) };
  throw new AppError('unsupported', `${fileName}: elements of ${itemBytes} bytes are not read.`);
}

/** code / scale, with one scale for all or one a row. */
function decoded(name: string, { shape, values }: Stored, scale: Stored | undefined): HostTensor<'float32'> {
  if (values instanceof Float32Array) return float32(shape, values);
  const numScales = scale?.values.length ?? 0;
  if (scale === undefined || (numScales !== 1 && numScales !== shape[0])) throw damaged(`${name} holds codes without a scale for each row`);
  const perScale = values.length / numScales;
  return float32(
    shape,
    Float32Array.from(values, (code, index) => code / (scale.values[Math.floor(index / perScale)] ?? 1)),
  );
}
