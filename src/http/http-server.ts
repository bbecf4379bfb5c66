// The HTTP server: requests in, errors in one form, and an orderly end.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AccessGuard, Credentials } from '#access';
import { AppError, type Logger, parseAddress, silentLogger, type Telemetry } from '#base';
import type { InferenceBackend } from '#jobs';
import { RequestFault } from './errors.ts';
import { Exchange } from './exchange.ts';
import { RequestTelemetry } from './request-telemetry.ts';
import { route } from './routes.ts';
import { type ModelList, Services } from './services.ts';

export interface HttpServerOptions {
  readonly inference: InferenceBackend;
  readonly models: ModelList;
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** Model of requests that name none. Default: the only one in the store. */
  readonly defaultModel?: string;
  /** Largest body of a request. @default 8 MiB */
  readonly maxBodyBytes?: number;
  readonly logger?: Logger;
  /** @default none */
  readonly telemetry?: Telemetry;
  /** Lets requests in; absent to let in all. */
  readonly guard?: AccessGuard | undefined;
  /** Makes a server with TLS in place of a plain one. */
  readonly secureServer?: ((listener: RequestListener) => Server) | undefined;
}

export interface HttpStopOptions {
  /** /health answers 503 this long before requests are refused. Default 0. */
  readonly pauseMs?: number;
  /** Requests under way have this long to end. Default 5000 ms. */
  readonly graceMs?: number;
}

const defaultBodyBytes = 8 * 1024 * 1024;
/** Clients keep connections for later; closing them early makes their next request fail. */
const keepAliveMs = 75_000;
const goodbyeMs = 250;
/** Handlers that were stopped have this long to notice. */
const lastCallMs = 1000;

/** States: serving → leaving (health says so) → draining (requests are refused, those under way end) → stopped. */
export class HttpServer {
  /** The port it listens on. */
  readonly port: number;
  readonly #server: Server;
  readonly #desk: Desk;
  #stopped: Promise<void> | undefined;

  private constructor(server: Server, desk: Desk) {
    this.#server = server;
    this.#desk = desk;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens and serves. @throws AppError `invalid_argument` | `unavailable` when the address cannot be had */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const {
      address,
      inference,
      models,
      defaultModel,
      maxBodyBytes = defaultBodyBytes,
      logger = silentLogger,
      telemetry,
      guard,
      secureServer,
    } = options;
    const place = parseAddress(address);
    if (place === undefined)
      throw new AppError('invalid_argument', `http address "${address}": must be host:port.`, { details: { field: 'http' } });
    const desk = new Desk(new Services(inference, models, defaultModel), maxBodyBytes, logger, new RequestTelemetry(telemetry), guard);
    const listener: RequestListener = (request, response) => void desk.handle(request, response);
    const server = secureServer === undefined ? createServer(listener) : secureServer(listener);
    server.keepAliveTimeout = keepAliveMs;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new AppError('unavailable', `${address}: cannot be listened on: ${cause.message}. Choose another address.`, { cause })),
      );
      server.listen(place.port, place.host, resolve);
    });
    const running = new HttpServer(server, desk);
    logger.info('serving http', { address, port: running.port });
    return running;
  }

  /** Requests under way. */
  get openRequests(): number {
    return this.#desk.openRequests;
  }

  /** Ends in order; calling it again waits for the same end. */
  stop({ pauseMs = 0, graceMs = 5000 }: HttpStopOptions = {}): Promise<void> {
    this.#stopped ??= this.#stop(pauseMs, graceMs);
    return this.#stopped;
  }

  async #stop(pauseMs: number, graceMs: number): Promise<void> {
    this.#desk.leave();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    this.#desk.refuse();
    await this.#desk.settle(graceMs);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // Time for connections to take the last answers.
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, goodbyeMs))]);
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Hands requests to their endpoints and knows which are open. */
class Desk {
  readonly #services: Services;
  readonly #maxBodyBytes: number;
  readonly #logger: Logger;
  readonly #telemetry: RequestTelemetry;
  readonly #guard: AccessGuard | undefined;
  readonly #open = new Set<Exchange>();
  #idle: (() => void)[] = [];
  #state: 'serving' | 'leaving' | 'refusing' = 'serving';

  constructor(services: Services, maxBodyBytes: number, logger: Logger, telemetry: RequestTelemetry, guard: AccessGuard | undefined) {
    this.#services = services;
    this.#telemetry = telemetry;
    this.#guard = guard;
    this.#maxBodyBytes = maxBodyBytes;
    this.#logger = logger;
  }

  get openRequests(): number {
    return this.#open.size;
  }

  leave(): void {
    this.#state = 'leaving';
  }

  refuse(): void {
    this.#state = 'refusing';
  }

  /** Waits until no request is open; those that are after `graceMs` are stopped. */
  async settle(graceMs: number): Promise<void> {
    if (await this.#idleWithin(graceMs)) return;
    const reason = new AppError('unavailable', 'the server is stopping. Try again when it is back.');
    for (const exchange of this.#open) exchange.abort(reason);
    await this.#idleWithin(lastCallMs);
  }

  async #idleWithin(timeMs: number): Promise<boolean> {
    if (this.#open.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => this.#idle.push(resolve)),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeMs);
      }),
    ]);
    clearTimeout(timer);
    return this.#open.size === 0;
  }

  /** Answers a request for whoever may ask for it. */
  async #admitted({ request, signal }: Exchange, answer: () => Promise<void>): Promise<void> {
    if (this.#guard === undefined) return answer();
    const { leave } = await this.#guard.enterRequest(request.url ?? '', credentialsOf(request));
    try {
      await answer();
      leave(signal.aborted ? 'CANCELLED' : 'OK');
    } catch (error) {
      leave(error instanceof AppError ? error.code : 'refused');
      throw error;
    }
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response);
    if (request.url === '/health') {
      const isServing = this.#state === 'serving';
      exchange.sendJson({ status: isServing ? 'ok' : 'stopping' }, isServing ? 200 : 503);
      return;
    }
    await this.#telemetry.observe(exchange, () => this.#answer(exchange));
  }

  async #answer(exchange: Exchange): Promise<void> {
    this.#open.add(exchange);
    try {
      if (this.#state === 'refusing') throw new AppError('unavailable', 'the server is stopping. Try again when it is back.');
      await this.#admitted(exchange, () => route(exchange, this.#services, this.#maxBodyBytes));
    } catch (thrown) {
      const reason = exchange.stoppedBy ?? thrown;
      if (!(reason instanceof AppError) && !(reason instanceof RequestFault) && !exchange.signal.aborted)
        this.#logger.error('request failed', {
          path: exchange.request.url ?? '',
          error: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
        });
      exchange.sendError(reason);
    } finally {
      this.#open.delete(exchange);
      if (this.#open.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}

/** What a request shows of who sent it. */
export function credentialsOf(request: IncomingMessage): Credentials {
  return {
    authorization: request.headers.authorization,
    certificate: certificateOf(request),
    address: request.socket.remoteAddress ?? '',
  };
}

/** Common name of the certificate that the client has proved. */
function certificateOf({ socket }: IncomingMessage): string | undefined {
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  if (authorized !== true || getPeerCertificate === undefined) return undefined;
  const name = getPeerCertificate.call(socket).subject?.CN;
  return typeof name === 'string' ? name : name?.[0];
}
