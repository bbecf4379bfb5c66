// Messages for RPCs as nobody sends them on purpose: stored ones, ones of the right types with strange values, and broken bytes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { at, invariant, type Random } from '#base';
import { protoFolder, serviceFiles } from '../../src/server/protocol.ts';

const corpusFolder = fileURLToPath(new URL('../property/corpus/rpc', import.meta.url));

export interface Rpc {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: object) => Buffer;
}

export function rpcsOf(service: ServiceDefinition): readonly Rpc[] {
  return Object.values(service as Readonly<Record<string, MethodDefinition<object, object>>>);
}

/** Requests that were stored for an RPC, as proto JSON; those of a stream in the order in which they are sent. */
export function storedRequests({ path }: Rpc): readonly object[] {
  const [, service = '', method = ''] = path.split('/');
  const file = join(corpusFolder, `${service.split('.').at(-1)}.${method}.json`);
  if (!existsSync(file)) return [];
  const stored = JSON.parse(readFileSync(file, 'utf8')) as { readonly rpc: string; readonly messages: readonly object[] };
  // The reflection of both versions reads the same requests.
  invariant(stored.rpc.replace('.v1.', '.') === path.replace(/\.v1(alpha)?\./, '.'), `${file}: is for ${stored.rpc}`);
  return stored.messages;
}

/** Bytes that are no message of any kind, or a strange one of every kind. */
export function storedBytes(): readonly Buffer[] {
  const lines = readFileSync(join(corpusFolder, 'any.hex'), 'utf8').trimEnd().split('\n');
  return lines.filter((line) => !line.startsWith('#')).map((line) => Buffer.from(line, 'hex'));
}

const texts = [
  'story',
  'judge',
  'identity',
  'a text',
  '',
  '\0',
  '../../x',
  '\ud800',
  '__proto__',
  '(a+)+$',
  'athanor://127.0.0.1:1/m',
  '*',
];
const wholeNumbers = [0, 1, 2, 8, 64, -1, 2 ** 31 - 1, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER];
const realNumbers = [0, 0.5, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308, 5e-324];
/** Depth of messages in messages: recipes have trainings, which have losses, which have schedules. */
const deepest = 6;

/** Requests with fields of the right types and strange values in them. */
export class TypedRequests {
  readonly #root: protobuf.Root;
  readonly #random: Random;

  constructor(random: Random) {
    this.#root = new protobuf.Root();
    this.#root.resolvePath = (_, target) => join(protoFolder, target);
    this.#root.loadSync(serviceFiles).resolveAll();
    this.#random = random;
  }

  make({ path }: Rpc): object {
    const [, service = '', method = ''] = path.split('/');
    const { resolvedRequestType } = at(
      Object.values(this.#root.lookupService(service).methods).filter(({ name }) => name === method),
      0,
    );
    invariant(resolvedRequestType !== null, `${path} has no request`);
    return this.#message(resolvedRequestType, 0);
  }

  /** Most fields are left out, so that what is behind the first check is reached. */
  #message(type: protobuf.Type, depth: number): object {
    const taken = new Set<protobuf.OneOf>();
    const wanted = type.fieldsArray.filter(({ partOf }) => {
      if (this.#random.integer(depth + 4) > 2 || (partOf !== null && taken.has(partOf))) return false;
      if (partOf !== null) taken.add(partOf);
      return true;
    });
    return Object.fromEntries(wanted.map((field) => [field.name, this.#field(field, depth)]));
  }

  #field(field: protobuf.Field, depth: number): unknown {
    const one = (): unknown => this.#value(field, depth);
    if (field instanceof protobuf.MapField) return Object.fromEntries([[this.#key(field), one()]]);
    return field.repeated ? Array.from({ length: this.#random.integer(4) }, one) : one();
  }

  #key({ keyType }: protobuf.MapField): string {
    return keyType === 'string' ? this.#pick(texts) : String(Math.abs(this.#pick(wholeNumbers)));
  }

  #value({ type, resolvedType }: protobuf.Field, depth: number): unknown {
    if (resolvedType instanceof protobuf.Type) return depth >= deepest ? {} : this.#message(resolvedType, depth + 1);
    if (resolvedType instanceof protobuf.Enum) return this.#random.integer(8);
    if (type === 'string') return this.#pick(texts);
    if (type === 'bytes') return Buffer.from(this.#pick(texts));
    if (type === 'bool') return this.#random.integer(2) === 1;
    return this.#pick(type === 'double' || type === 'float' ? realNumbers : wholeNumbers);
  }

  #pick<Value>(values: readonly Value[]): Value {
    return at(values, this.#random.integer(values.length));
  }
}
