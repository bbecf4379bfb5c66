// The address that Prometheus scrapes: GET /metrics, and nothing else.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { MetricReader } from '@opentelemetry/sdk-metrics';
import { AppError, parseAddress, publicError } from '#base';

export interface ScrapeServer {
  readonly reader: MetricReader;
  readonly port: number;
  stop(): Promise<void>;
}

/** Who may scrape, and over what. */
export interface ScrapeDoor {
  /** @throws AppError to refuse a request */
  readonly admit?: (request: IncomingMessage) => Promise<void>;
  /** Makes a server that speaks TLS. Default: plain HTTP. */
  readonly secureServer?: (listener: RequestListener) => Server;
}

/** @throws AppError `invalid_argument` | `unavailable` (the address) */
export async function serveScrapes(
  address: string,
  { admit = async () => {}, secureServer = createServer }: ScrapeDoor = {},
): Promise<ScrapeServer> {
  const place = parseAddress(address);
  if (place === undefined)
    throw new AppError('invalid_argument', `metrics: "${address}" is no address. Write host:port, for example 127.0.0.1:9464.`, {
      details: { field: 'metrics' },
    });
  const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const server = secureServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end('GET /metrics\n');
      return;
    }
    admit(request).then(
      () => exporter.getMetricsRequestHandler(request, response),
      (error: unknown) => {
        const { code, message } = publicError(error);
        response.writeHead(code === 'unauthenticated' ? 401 : 403).end(`${message}\n`);
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new AppError('unavailable', `${address}: cannot be listened on: ${error.message}. Choose another address.`, { cause: error })),
    );
    server.listen(place.port, place.host, resolve);
  });
  return {
    reader: exporter,
    port: (server.address() as AddressInfo).port,
    async stop() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
