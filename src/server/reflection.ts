// Server reflection, v1 and v1alpha, from the descriptors that `npm run generate` writes: every file with all it imports.
import { readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { at } from '#base';
import type { CallGate } from './calls.ts';
import type { ServerReflectionHandlers } from './gen/grpc/reflection/v1/ServerReflection.ts';
import type { ServerReflectionRequest, ServerReflectionRequest__Output } from './gen/grpc/reflection/v1/ServerReflectionRequest.ts';
import type { ServerReflectionResponse } from './gen/grpc/reflection/v1/ServerReflectionResponse.ts';
import { asBytes, type Fields, fields, textOf } from './wire.ts';

/** One .proto file. */
interface DescribedFile {
  readonly name: string;
  /** FileDescriptorProto as the compiler wrote it: clients want nothing left out. */
  readonly bytes: Uint8Array;
  readonly imports: readonly string[];
}

/** What a FileDescriptorSet says, by name. */
export interface Descriptors {
  readonly files: ReadonlyMap<string, DescribedFile>;
  /** The file that declares a full name. */
  readonly symbols: ReadonlyMap<string, DescribedFile>;
  readonly services: readonly string[];
}

/** @throws RangeError when the bytes are no FileDescriptorSet */
export function readDescriptors(bytes: Uint8Array): Descriptors {
  const files = new Map<string, DescribedFile>();
  const symbols = new Map<string, DescribedFile>();
  const services: string[] = [];
  for (const { value } of fields(bytes)) {
    const file = fields(asBytes(value));
    const described = { name: textOf(file, 1), bytes: asBytes(value), imports: all(file, 3).map(textFrom) };
    files.set(described.name, described);
    const scope = textOf(file, 2);
    const declare = (name: string): string => {
      symbols.set(name, described);
      return name;
    };
    for (const message of parts(file, 4)) declareMessage(message, scope, declare);
    for (const type of parts(file, 5)) declareEnum(type, scope, declare);
    for (const service of parts(file, 6)) {
      const name = declare(qualified(scope, service));
      services.push(name);
      for (const method of parts(service, 2)) declare(qualified(name, method));
    }
    for (const extension of parts(file, 7)) declare(qualified(scope, extension));
  }
  return { files, symbols, services: services.sort() };
}

type Declare = (name: string) => string;

function declareMessage(message: Fields, scope: string, declare: Declare): void {
  const name = declare(qualified(scope, message));
  for (const number of [2, 6, 8]) for (const member of parts(message, number)) declare(qualified(name, member));
  for (const nested of parts(message, 3)) declareMessage(nested, name, declare);
  for (const type of parts(message, 4)) declareEnum(type, name, declare);
}

/** The values of an enum are named beside it, not inside it. */
function declareEnum(type: Fields, scope: string, declare: Declare): void {
  declare(qualified(scope, type));
  for (const value of parts(type, 2)) declare(qualified(scope, value));
}

function qualified(scope: string, part: Fields): string {
  return scope === '' ? textOf(part, 1) : `${scope}.${textOf(part, 1)}`;
}

function all(message: Fields, number: number): Uint8Array[] {
  return message.filter((part) => part.number === number).map(({ value }) => asBytes(value));
}

function parts(message: Fields, number: number): Fields[] {
  return all(message, number).map(fields);
}

function textFrom(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

let shipped: Descriptors | undefined;

/** Those of the package, read once. */
export function shippedDescriptors(): Descriptors {
  shipped ??= readDescriptors(readFileSync(new URL('./gen/descriptors.binpb', import.meta.url)));
  return shipped;
}

/** v1 and v1alpha have the same messages. */
export function reflectionService(gate: CallGate, descriptors: Descriptors): ServerReflectionHandlers {
  return {
    ServerReflectionInfo: gate.bidiStream<ServerReflectionRequest__Output, ServerReflectionResponse>(async (requests, send) => {
      for await (const request of requests)
        await send({ validHost: request.host, originalRequest: question(request), ...answer(descriptors, request) });
    }),
  };
}

/** The request without members that were not set, which an encoder would send as set. */
function question({ host, messageRequest, ...members }: ServerReflectionRequest__Output): ServerReflectionRequest {
  return messageRequest === undefined ? { host } : { host, [messageRequest]: members[messageRequest] };
}

function answer(descriptors: Descriptors, request: ServerReflectionRequest__Output): ServerReflectionResponse {
  const { files, symbols, services } = descriptors;
  switch (request.messageRequest) {
    case 'listServices':
      return { listServicesResponse: { service: services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return fileAnswer(descriptors, files.get(request.fileByFilename ?? ''), `file ${shown(request.fileByFilename)}`);
    case 'fileContainingSymbol':
      return fileAnswer(descriptors, symbols.get(request.fileContainingSymbol ?? ''), `symbol ${shown(request.fileContainingSymbol)}`);
    case 'fileContainingExtension':
      return refusal(status.NOT_FOUND, 'there are no extensions here.');
    case 'allExtensionNumbersOfType': {
      const type = request.allExtensionNumbersOfType ?? '';
      if (!symbols.has(type)) return refusal(status.NOT_FOUND, `type ${shown(type)} is not known here.`);
      return { allExtensionNumbersResponse: { baseTypeName: type, extensionNumber: [] } };
    }
    default:
      return refusal(status.INVALID_ARGUMENT, 'the request asks nothing.');
  }
}

function fileAnswer({ files }: Descriptors, file: DescribedFile | undefined, what: string): ServerReflectionResponse {
  if (file === undefined) return refusal(status.NOT_FOUND, `${what} is not known here.`);
  // The file first, then what it imports, each once.
  const wanted = [file];
  for (let index = 0; index < wanted.length; index++)
    for (const name of at(wanted, index).imports) {
      const imported = files.get(name);
      if (imported !== undefined && !wanted.includes(imported)) wanted.push(imported);
    }
  return { fileDescriptorResponse: { fileDescriptorProto: wanted.map(({ bytes }) => Buffer.from(bytes)) } };
}

/** Errors are messages here; the stream goes on. */
function refusal(errorCode: status, errorMessage: string): ServerReflectionResponse {
  return { errorResponse: { errorCode, errorMessage } };
}

function shown(name = ''): string {
  return JSON.stringify(name.slice(0, 200));
}
