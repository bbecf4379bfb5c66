// A client of the same contract in TypeScript, for the command line and for tests: promises, async iterators and our own errors.
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { AppError } from '#base';
import { maxMessageBytes, type Protocol, protocol } from './protocol.ts';
import { fromStatus } from './status.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds from now. */
  readonly timeoutMs?: number;
}

/** One method of the contract, seen from the client. */
export interface ClientMethod<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** What a client shows, and what it trusts. */
export interface ClientSecurity {
  readonly token?: string | undefined;
  /** PEM; `{}` trusts the system's authorities. Absent: no TLS. */
  readonly tls?: { readonly authority?: Buffer; readonly certificate?: Buffer; readonly key?: Buffer } | undefined;
}

/** One connection to a server. Every failure is an AppError with the server's own code. */
export class AthanorClient {
  readonly protocol: Protocol = protocol();
  readonly #client: Client;
  readonly #metadata: Metadata;

  /** @param target - `host:port` */
  constructor(target: string, { token, tls }: ClientSecurity = {}) {
    this.#metadata = new Metadata();
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
    const { authority, certificate, key } = tls ?? {};
    const secured = (): ChannelCredentials => credentials.createSsl(authority ?? null, key ?? null, certificate ?? null);
    this.#client = new Client(target, tls === undefined ? credentials.createInsecure() : secured(), {
      // What it sends is for the server to refuse: its limit may be another.
      'grpc.max_receive_message_length': maxMessageBytes,
    });
  }

  /** Answers whether a server takes the connection within the time. */
  async answers(timeoutMs: number): Promise<boolean> {
    try {
      await this.unary(this.protocol.health.Check, { service: '' }, { timeoutMs });
      return true;
    } catch (error) {
      // Whoever answers something else than silence is there.
      const { code } = AppError.from(error);
      return code !== 'unavailable' && code !== 'deadline_exceeded';
    }
  }

  unary<Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Request,
    { signal, timeoutMs }: CallOptions = {},
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        deadline(timeoutMs),
        (error: ServiceError | null, response?: Response) => {
          if (error !== null) reject(fromStatus(error));
          else resolve(response as Response);
        },
      );
      signal?.addEventListener('abort', () => call.cancel(), { once: true });
    });
  }

  /** Leaving the loop leaves the stream. */
  async *serverStream<Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Request,
    { signal, timeoutMs }: CallOptions = {},
  ): AsyncGenerator<Response> {
    const call = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
      deadline(timeoutMs),
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw isServiceError(error) ? fromStatus(error) : error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      call.on('error', () => {}); // the answer to our own leaving
      call.cancel();
    }
  }

  clientStream<Request, Response>(method: ClientMethod<Request, Response>, requests: AsyncIterable<Request>): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeClientStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        this.#metadata,
        (error: ServiceError | null, response?: Response) => {
          if (error !== null) reject(fromStatus(error));
          else resolve(response as Response);
        },
      );
      const send = async (): Promise<void> => {
        for await (const request of requests) {
          if (call.destroyed || call.writableEnded) return;
          if (!call.write(request)) await new Promise((resume) => call.once('drain', resume));
        }
        call.end();
      };
      send().catch((error: unknown) => {
        call.cancel();
        reject(error);
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}

function deadline(timeoutMs: number | undefined): { deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && error.code in status && 'details' in error;
}
