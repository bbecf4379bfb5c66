// One stream in both directions, as a test drives it: send, read the next answer, half-close, leave.
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { ClientMethod } from '#server';

export interface TwoWayCall<Request, Response> {
  send(request: Request): void;
  /** The next answer; undefined when the stream has ended well. @throws ServiceError when it ended otherwise */
  next(): Promise<Response | undefined>;
  /** All answers until the end. */
  rest(): Promise<Response[]>;
  halfClose(): void;
  cancel(): void;
}

export function openTwoWayCall<Request, Response>(
  target: string,
  method: ClientMethod<Request, Response>,
  metadata: Readonly<Record<string, string>> = {},
): TwoWayCall<Request, Response> {
  const client = new Client(target, credentials.createInsecure());
  const sent = new Metadata();
  for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, sent);
  const arrived: Response[] = [];
  let ended = false;
  let failure: ServiceError | undefined;
  let wake = (): void => {};
  const finish = (error?: ServiceError): void => {
    ended = true;
    failure ??= error;
    wake();
    client.close();
  };
  call.on('data', (response: Response) => {
    arrived.push(response);
    wake();
  });
  call.on('end', () => finish());
  call.on('error', (error: ServiceError) => finish(error));
  const next = async (): Promise<Response | undefined> => {
    while (arrived.length === 0 && !ended)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    // The status comes right behind the end.
    if (arrived.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    if (arrived.length === 0 && failure !== undefined) throw failure;
    return arrived.shift();
  };
  return {
    send: (request) => call.write(request),
    next,
    async rest() {
      const all: Response[] = [];
      for (let response = await next(); response !== undefined; response = await next()) all.push(response);
      return all;
    },
    halfClose: () => call.end(),
    cancel: () => call.cancel(),
  };
}
