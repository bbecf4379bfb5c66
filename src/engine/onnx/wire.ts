// Writes protobuf's wire format as a list of chunks, so that large tensors are never copied into one buffer.

const varintBytes = 10;
const scratchBytes = 256;

/**
 * One protobuf message being written.
 *
 * Small fields gather in a growing scratch buffer; `bytes` of some size are kept as references.
 */
export class MessageWriter {
  readonly #chunks: Uint8Array[] = [];
  #scratch = new Uint8Array(scratchBytes);
  #used = 0;
  #flushedBytes = 0;

  get sizeBytes(): number {
    return this.#flushedBytes + this.#used;
  }

  /** int32, int64, bool and enum fields; negative numbers take ten bytes, as the format wants. */
  integer(field: number, value: number | bigint): this {
    this.#tag(field, 0);
    this.#varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.#tag(field, 5);
    this.#reserve(4);
    new DataView(this.#scratch.buffer).setFloat32(this.#used, value, true);
    this.#used += 4;
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, 2);
    this.#varint(value.length);
    this.#append(value);
    return this;
  }

  packedIntegers(field: number, values: readonly (number | bigint)[]): this {
    const packed = new MessageWriter();
    for (const value of values) packed.#varint(value);
    return this.message(field, packed);
  }

  packedFloats(field: number, values: readonly number[]): this {
    const packed = new Uint8Array(values.length * 4);
    const view = new DataView(packed.buffer);
    for (const [index, value] of values.entries()) view.setFloat32(index * 4, value, true);
    return this.bytes(field, packed);
  }

  message(field: number, child: MessageWriter): this {
    this.#tag(field, 2);
    this.#varint(child.sizeBytes);
    for (const chunk of child.chunks()) this.#append(chunk);
    return this;
  }

  /** The message in order; concatenate or write them one after another. */
  chunks(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  /** Copies the whole message into `target`, which must have `sizeBytes`. */
  copyTo(target: Uint8Array): void {
    let offset = 0;
    for (const chunk of this.chunks()) {
      target.set(chunk, offset);
      offset += chunk.length;
    }
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number | bigint): void {
    this.#reserve(varintBytes);
    if (typeof value === 'bigint' || value < 0 || value > 0xffffffff) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest > 0x7fn; rest >>= 7n) this.#scratch[this.#used++] = Number(rest & 0x7fn) | 0x80;
      this.#scratch[this.#used++] = Number(rest);
      return;
    }
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#scratch[this.#used++] = (rest & 0x7f) | 0x80;
    this.#scratch[this.#used++] = rest;
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length > scratchBytes) {
      this.#flush();
      this.#chunks.push(bytes);
      this.#flushedBytes += bytes.length;
      return;
    }
    this.#reserve(bytes.length);
    this.#scratch.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #reserve(sizeBytes: number): void {
    if (this.#used + sizeBytes <= this.#scratch.length) return;
    const grown = new Uint8Array(Math.max(this.#scratch.length * 2, this.#used + sizeBytes));
    grown.set(this.#scratch.subarray(0, this.#used));
    this.#scratch = grown;
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#chunks.push(this.#scratch.subarray(0, this.#used));
    this.#flushedBytes += this.#used;
    this.#scratch = new Uint8Array(scratchBytes);
    this.#used = 0;
  }
}
