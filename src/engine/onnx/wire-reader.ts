// Reads protobuf's wire format: the fields of one message, without a schema.

/** A number for varints, the bytes of everything with a length; fixed-size fields are passed over. */
export type WireValue = bigint | Uint8Array;

export interface WireField {
  readonly field: number;
  readonly value: WireValue;
}

/** The fields of a message in their order. @throws RangeError where the bytes end too early */
export function* wireFields(bytes: Uint8Array): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('a protobuf message ends inside a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, kind] = [tag >>> 3, tag & 7];
    if (kind === 0) yield { field, value: varint() };
    else if (kind === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new RangeError('a protobuf message ends inside a field');
      yield { field, value: bytes.subarray(at, at + length) };
      at += length;
    } else at += kind === 1 ? 8 : 4;
  }
}

const decoder = new TextDecoder();

/** A field as text; empty for numbers. */
export function wireText(value: WireValue): string {
  return value instanceof Uint8Array ? decoder.decode(value) : '';
}

/** Fields of a nested message; none for numbers. */
export function wireMessage(value: WireValue): Generator<WireField> {
  return wireFields(value instanceof Uint8Array ? value : new Uint8Array());
}
