// The span and the time of every HTTP request.
import { attributes, metrics, type Span, silentTelemetry, type Telemetry, type Tracer } from '#base';
import type { Exchange } from './exchange.ts';
import { routeOf } from './routes.ts';

/** Methods that the conventions name; others are told as one, so that the label has few values. */
const knownMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** What `nginx` and others call a client that left before it was answered. */
const clientLeft = 499;

/** Makes a span and a reading of `http.server.request.duration` for each request. */
export class RequestTelemetry {
  readonly #tracer: Tracer;
  readonly #duration: (seconds: number, labels: Readonly<Record<string, string>>) => void;

  constructor({ tracer, meter }: Telemetry = silentTelemetry) {
    this.#tracer = tracer;
    this.#duration = meter.histogram(metrics.httpDuration);
  }

  /** Answers a request as a part of the client's trace, where it has one. `work` answers errors itself. */
  async observe(exchange: Exchange, work: () => Promise<void>): Promise<void> {
    const { request, response } = exchange;
    const startedMs = performance.now();
    const { method = '', url = '', headers } = request;
    const route = routeOf(url);
    const labels = {
      [attributes.httpMethod]: knownMethods.has(method) ? method : '_OTHER',
      [attributes.urlScheme]: 'encrypted' in request.socket ? 'https' : 'http',
      ...(route === undefined ? {} : { [attributes.httpRoute]: route }),
    };
    const span: Span = this.#tracer.start(`${labels[attributes.httpMethod]} ${route ?? ''}`.trimEnd(), {
      kind: 'server',
      attributes: { ...labels, [attributes.peerAddress]: request.socket.remoteAddress, [attributes.peerPort]: request.socket.remotePort },
      headers: (name) => {
        const value = headers[name];
        return typeof value === 'string' ? value : undefined;
      },
    });
    await this.#tracer.within(span, work);
    const status = exchange.clientLeft ? clientLeft : response.statusCode;
    const isFault = status >= 500;
    const outcome = { [attributes.httpStatus]: `${status}`, ...(isFault ? { [attributes.errorType]: `${status}` } : {}) };
    this.#duration((performance.now() - startedMs) / 1000, { ...labels, ...outcome });
    span.set({ ...outcome, [attributes.httpStatus]: status });
    span.end(isFault ? { type: `${status}` } : undefined);
  }
}
