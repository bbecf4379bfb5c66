// google.rpc.Status with ErrorInfo, BadRequest and RetryInfo, read and written by hand: small messages that need no package.

/** What goes with a gRPC status in `grpc-status-details-bin`. */
export interface StatusDetails {
  /** gRPC status number. */
  readonly status: number;
  readonly message: string;
  /** Code of the error catalogue. */
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fieldViolations: readonly { readonly field: string; readonly description: string }[];
  /** How long to wait before trying again. */
  readonly retryDelayMs?: number;
}

export const detailsKey = 'grpc-status-details-bin';

const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo';
const retryInfoType = 'type.googleapis.com/google.rpc.RetryInfo';
const badRequestType = 'type.googleapis.com/google.rpc.BadRequest';

/** Wire types of protobuf. */
const varintType = 0;
const bytesType = 2;

/** Status { code = 1, message = 2, details = 3: Any { type_url = 1, value = 2 } } */
export function encodeStatusDetails(given: StatusDetails): Buffer {
  const { status, message, reason, domain, metadata, fieldViolations, retryDelayMs } = given;
  const entries = Object.entries(metadata).map(([key, value]) => field(3, Buffer.concat([text(1, key), text(2, value)])));
  const details = [any(errorInfoType, Buffer.concat([text(1, reason), text(2, domain), ...entries]))];
  if (fieldViolations.length > 0)
    details.push(
      any(
        badRequestType,
        Buffer.concat(fieldViolations.map((fault) => field(1, Buffer.concat([text(1, fault.field), text(2, fault.description)])))),
      ),
    );
  if (retryDelayMs !== undefined) details.push(any(retryInfoType, field(1, duration(retryDelayMs))));
  return Buffer.concat([varint(1 << 3), varint(status), text(2, message), ...details.map((detail) => field(3, detail))]);
}

/** Undefined when the bytes are no such message. */
export function decodeStatusDetails(bytes: Uint8Array): StatusDetails | undefined {
  try {
    const status = fields(bytes);
    const anys = status.filter(({ number }) => number === 3).map(({ value }) => fields(asBytes(value)));
    const bodyOf = (type: string): Fields => {
      const found = anys.find((parts) => textOf(parts, 1) === type);
      return found === undefined ? [] : fields(asBytes(found.find(({ number }) => number === 2)?.value));
    };
    const info = bodyOf(errorInfoType);
    const pairs = info.filter(({ number }) => number === 3).map(({ value }) => fields(asBytes(value)));
    const retry = bodyOf(retryInfoType).find(({ number }) => number === 1);
    const faults = bodyOf(badRequestType).map(({ value }) => fields(asBytes(value)));
    return {
      status: Number(status.find(({ number }) => number === 1)?.value ?? 0),
      message: textOf(status, 2),
      reason: textOf(info, 1),
      domain: textOf(info, 2),
      metadata: Object.fromEntries(pairs.map((pair) => [textOf(pair, 1), textOf(pair, 2)])),
      fieldViolations: faults.map((fault) => ({ field: textOf(fault, 1), description: textOf(fault, 2) })),
      ...(retry === undefined ? {} : { retryDelayMs: milliseconds(fields(asBytes(retry.value))) }),
    };
  } catch {
    return undefined; // from another kind of server, or cut short: the plain status says enough
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function field(number: number, body: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + bytesType), varint(body.length), body]);
}

/** Duration { seconds = 1, nanos = 2 } */
function duration(milliseconds: number): Buffer {
  const whole = Math.round(milliseconds);
  const [seconds, nanos] = [Math.floor(whole / 1000), (whole % 1000) * 1_000_000];
  return Buffer.concat([varint(1 << 3), varint(seconds), varint(2 << 3), varint(nanos)]);
}

function milliseconds(parts: Fields): number {
  const part = (number: number): number => Number(parts.find((one) => one.number === number)?.value ?? 0);
  return part(1) * 1000 + part(2) / 1_000_000;
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value));
}

function any(type: string, value: Buffer): Buffer {
  return Buffer.concat([text(1, type), field(2, value)]);
}

type Fields = readonly { readonly number: number; readonly value: number | Uint8Array }[];

function fields(bytes: Uint8Array): Fields {
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

function asBytes(value: number | Uint8Array | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new RangeError('not a message');
}

function textOf(parts: Fields, number: number): string {
  const value = parts.find((part) => part.number === number)?.value;
  return value instanceof Uint8Array ? Buffer.from(value).toString() : '';
}
