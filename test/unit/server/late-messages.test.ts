// A message after the status of its call is dropped, and the status arrives.
import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { type MethodDefinition, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
// Not a part of the server that others see.
import { dropLateMessages } from '../../../src/server/late-messages.ts';

const same = (bytes: Buffer): Buffer => bytes;
const parse = (bytes: Buffer): Buffer => {
  if (bytes.equals(wrong)) throw new Error('does not parse');
  return bytes;
};
const ask: MethodDefinition<Buffer, Buffer> = {
  path: '/test.Test/Ask',
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: parse,
  responseSerialize: same,
  responseDeserialize: same,
};
const good = Buffer.from('good');
const wrong = Buffer.from('wrong');
// More than the window of a reader who does not read.
const answer = Buffer.alloc(2 ** 20);

const framed = (message: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);

it('a call whose answers wait for their reader ends with its status when a request does not parse', async () => {
  const server = new Server({ interceptors: [dropLateMessages] });
  server.addService({ ask }, { ask: (call: ServerDuplexStream<Buffer, Buffer>) => call.on('data', () => call.write(answer)) });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  // The client of grpc-js has windows of many megabytes.
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const stream = session.request({ ':method': 'POST', ':path': ask.path, 'content-type': 'application/grpc', te: 'trailers' });
    const trailers = once(stream, 'trailers', { signal: AbortSignal.timeout(10_000) }) as Promise<[IncomingHttpHeaders]>;
    for (const message of [good, good, wrong]) {
      stream.write(framed(message));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    stream.resume();
    const [{ 'grpc-status': code }] = await trailers;
    expect(Number(code)).toBe(status.INTERNAL);
  } finally {
    session.destroy();
    server.forceShutdown();
  }
});
