// From a handler as we write it (a promise, an async generator) to one of grpc-js: errors, leaving clients, and backpressure.

import type { PeerCertificate } from 'node:tls';
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
} from '@grpc/grpc-js';
import type { AccessGuard, Principal } from '#access';
import { AppError, type Logger, silentTelemetry, type Telemetry } from '#base';
import { addressOf, CallTelemetry, type ObservableCall, statusOf } from './call-telemetry.ts';
import { toStatus } from './status.ts';

/** What a handler knows of its call. */
export interface CallContext {
  /** Aborted when the client has left, its deadline has passed, or the server ends without grace. */
  readonly signal: AbortSignal;
  /** Name of the caller, or the address that the call comes from where nobody asks for names; empty where there is none. */
  readonly client: string;
  /** Who calls; undefined where nobody asks. */
  readonly caller: Principal | undefined;
}

/** What a handler knows of a stream in both directions. */
export interface BidiCallContext extends CallContext {
  /** What the client sent ahead. */
  readonly metadata: Metadata;
}

/** What calls of every kind have. */
interface AnyCall extends ObservableCall {
  getAuthContext(): { readonly sslPeerCertificate?: Pick<PeerCertificate, 'subject'> };
  on(event: 'cancelled', listener: () => void): unknown;
}

/** All calls of a server: lets none in while it stops, and knows which are open. */
export class CallGate {
  readonly #logger: Logger;
  readonly #telemetry: CallTelemetry;
  readonly #guard: AccessGuard | undefined;
  readonly #open = new Set<AbortController>();
  #idle: (() => void)[] = [];
  #stopping = false;

  /** @param guard - lets calls in; absent to let in all */
  constructor(logger: Logger, telemetry: Telemetry = silentTelemetry, guard?: AccessGuard) {
    this.#logger = logger;
    this.#guard = guard;
    this.#telemetry = new CallTelemetry(telemetry);
  }

  get openCalls(): number {
    return this.#open.size;
  }

  /** New calls are refused from now on; open ones go on. */
  refuse(): void {
    this.#stopping = true;
  }

  /** Waits until no call is open, at most so long; answers whether that is so. */
  async settle(graceMs: number): Promise<boolean> {
    if (this.#open.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([idle, late]);
    clearTimeout(timer);
    return this.#open.size === 0;
  }

  /** Stops every open call. */
  abort(): void {
    for (const stop of this.#open) stop.abort();
  }

  unary<Request, Response>(method: (request: Request, context: CallContext) => Promise<Response>): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      this.#run(
        call,
        async (context) => {
          const response = await method(call.request, context);
          return () => callback(null, response);
        },
        (error) => callback(error),
      );
    };
  }

  serverStream<Request, Response>(
    method: (request: Request, context: CallContext) => AsyncIterable<Response>,
  ): handleServerStreamingCall<Request, Response> {
    return (call) => {
      this.#run(
        call,
        async (context) => {
          for await (const response of method(call.request, context)) {
            if (context.signal.aborted) break;
            if (!call.write(response)) await drained(call, context.signal);
          }
          return () => call.end();
        },
        (error) => call.emit('error', error),
      );
    };
  }

  clientStream<Request, Response>(
    method: (requests: AsyncIterable<Request>, context: CallContext) => Promise<Response>,
  ): handleClientStreamingCall<Request, Response> {
    return (call, callback) => {
      this.#run(
        call,
        async (context) => {
          const response = await method(messages(call, context.signal, true), context);
          return () => callback(null, response);
        },
        (error) => callback(error),
      );
    };
  }

  /** `method` ends the stream by returning; `send` waits for a slow reader and may be called by several at a time. */
  bidiStream<Request, Response>(
    method: (requests: AsyncIterable<Request>, send: (response: Response) => Promise<void>, context: BidiCallContext) => Promise<void>,
  ): handleBidiStreamingCall<Request, Response> {
    return (call) => {
      this.#run(
        call,
        async ({ signal, client, caller }) => {
          let draining: Promise<void> | undefined;
          const send = async (response: Response): Promise<void> => {
            while (draining !== undefined && !signal.aborted) await draining;
            if (signal.aborted || call.write(response)) return;
            draining ??= drained(call, signal).finally(() => {
              draining = undefined;
            });
            await draining;
          };
          // Whoever stops reading may go on writing.
          await method(messages(call, signal, false), send, { signal, client, caller, metadata: call.metadata });
          return () => call.end();
        },
        (error) => call.emit('error', error),
      );
    };
  }

  /** Does the work of a call for whoever may ask for it. */
  async #admitted<Answer>(call: AnyCall, signal: AbortSignal, work: (context: CallContext) => Promise<Answer>): Promise<Answer> {
    const address = addressOf(call);
    if (this.#guard === undefined) return work({ signal, client: address, caller: undefined });
    const [authorization] = call.metadata.get('authorization').map(String);
    const { principal, leave } = await this.#guard.enterCall(call.getPath(), { authorization, certificate: certificateOf(call), address });
    try {
      const answer = await work({ signal, client: principal?.name ?? address, caller: principal });
      leave(signal.aborted ? 'CANCELLED' : 'OK');
      return answer;
    } catch (error) {
      leave(statusOf(error));
      throw error;
    }
  }

  #run(call: AnyCall, work: (context: CallContext) => Promise<() => void>, fail: (error: ReturnType<typeof toStatus>) => void): void {
    const observed = this.#telemetry.begin(call);
    if (this.#stopping) {
      fail(toStatus(new AppError('unavailable', 'the server is stopping. Try again when it is back.')));
      observed.end('UNAVAILABLE');
      return;
    }
    const stop = new AbortController();
    this.#open.add(stop);
    // Also comes after every ordinary end, when there is nothing left to stop: an abort makes an error with a stack, which is dear.
    call.on('cancelled', () => {
      if (this.#open.has(stop)) stop.abort();
    });
    void observed.within(() =>
      this.#admitted(call, stop.signal, work)
        .then(
          (answer) => {
            observed.end(stop.signal.aborted ? 'CANCELLED' : 'OK');
            answer();
          },
          (thrown: unknown) => {
            const error = toStatus(thrown);
            if (!(thrown instanceof AppError)) this.#logger.error('call failed', { path: call.getPath(), error: describe(thrown) });
            observed.end(statusOf(thrown), error.details);
            fail(error);
          },
        )
        .finally(() => {
          this.#open.delete(stop);
          if (this.#open.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
        }),
    );
  }
}

/** Common name of the certificate that the client has proved. */
function certificateOf(call: AnyCall): string | undefined {
  const { sslPeerCertificate } = call.getAuthContext();
  const name = sslPeerCertificate?.subject?.CN;
  return typeof name === 'string' ? name : name?.[0];
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

interface Drainable {
  once(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
}

/** Waits until the client has taken what was written, so that a slow reader fills its own buffers and not ours. */
function drained(call: Drainable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

/** The messages of a client. One that leaves in the middle is an error, not an end. */
async function* messages<Request>(
  call: ServerReadableStream<Request, unknown> | ServerDuplexStream<Request, unknown>,
  signal: AbortSignal,
  destroyOnReturn: boolean,
): AsyncGenerator<Request> {
  for await (const message of call.iterator({ destroyOnReturn })) yield message as Request;
  // `end` comes before `cancelled` when the client resets the stream: one turn tells them apart.
  await new Promise((resolve) => setImmediate(resolve));
  if (signal.aborted || call.cancelled) throw new AppError('cancelled', 'the client left before it had sent everything.');
}
