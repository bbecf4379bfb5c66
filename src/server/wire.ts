// Reading the wire form of protobuf without a schema: numbered fields.

/** Wire types. */
const varintType = 0;
const bytesType = 2;

/** In the order they came. */
export type Fields = readonly { readonly number: number; readonly value: number | Uint8Array }[];

/** Fields of a message that has no fixed-size ones. @throws RangeError when it is cut short or has other wire types */
export function fields(bytes: Uint8Array): Fields {
  const found: { number: number; value: number | Uint8Array }[] = [];
  let offset = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[offset++];
      if (byte === undefined || scale > 2 ** 49) throw new RangeError('cut short');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (offset < bytes.length) {
    const key = readVarint();
    const [number, type] = [Math.floor(key / 8), key % 8];
    if (type === varintType) found.push({ number, value: readVarint() });
    else if (type === bytesType) {
      const end = readVarint() + offset;
      if (end > bytes.length) throw new RangeError('cut short');
      found.push({ number, value: bytes.subarray(offset, end) });
      offset = end;
    } else throw new RangeError(`wire type ${type}`);
  }
  return found;
}

/** Of a field that has a length. @throws RangeError for a number */
export function asBytes(value: number | Uint8Array | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new RangeError('not a message');
}

/** Empty where the field is absent. */
export function textOf(parts: Fields, number: number): string {
  const value = parts.find((part) => part.number === number)?.value;
  return value instanceof Uint8Array ? Buffer.from(value).toString() : '';
}
