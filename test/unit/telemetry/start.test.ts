// Starting telemetry: off costs nothing, wrong settings are named, and a collector gets traces and metrics by either protocol.
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { metrics, silentTelemetry } from '#base';
import { startTelemetry } from '../../../src/telemetry/index.ts';

const ending: (() => unknown)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of ending.splice(0)) await end();
});

/** The exporters read the process's own environment. */
function environment(values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
  return values;
}

describe('telemetry that nobody asked for', () => {
  it.each([
    ['no endpoint is named', { PATH: '/bin' }],
    ['the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['the SDK is switched off', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' }],
    [
      'both exporters are switched off',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' },
    ],
  ])('is the silent one where %s', async (_, environment) => {
    const { telemetry, metricsPort, stop } = await startTelemetry({ environment });
    expect(telemetry).toBe(silentTelemetry);
    expect(metricsPort).toBeUndefined();
    await stop();
  });

  it('loads no package of OpenTelemetry, not even with the whole command', () => {
    const script = `
      const { createRequire } = await import('node:module');
      const { makeProgram } = await import('./src/cli/program.ts');
      const { startTelemetry } = await import('./src/telemetry/index.ts');
      makeProgram();
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes('@opentelemetry')).length;
      await startTelemetry({ environment: {} });
      const without = loaded();
      const { stop } = await startTelemetry({ metricsAddress: '127.0.0.1:0' });
      console.log(JSON.stringify({ without, loads: loaded() > 0 }));
      await stop();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ without: 0, loads: true });
  });

  it('answers every use without doing anything', () => {
    const { tracer, meter } = silentTelemetry;
    const span = tracer.start('x', { headers: () => 'y' });
    expect(tracer.start('z')).toBe(span);
    expect(tracer.within(span, () => 7)).toBe(7);
    expect(tracer.current()).toBeUndefined();
    expect(tracer.ids()).toBeUndefined();
    const read = vi.fn();
    meter.gauge(metrics.jobs, read)();
    meter.counter(metrics.tokens)(1);
    expect(read).not.toHaveBeenCalled();
  });
});

describe('wrong settings', () => {
  it.each([
    ['an address without a port', { metricsAddress: 'localhost' }, 'metrics: "localhost" is no address'],
    ['a port out of range', { metricsAddress: '127.0.0.1:70000' }, 'metrics: "127.0.0.1:70000" is no address'],
    [
      'a protocol that is not spoken',
      { environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' } },
      '"http/json" is not spoken here',
    ],
    [
      'an interval that is no number',
      { environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_METRIC_EXPORT_INTERVAL: 'often' } },
      'got "often"',
    ],
  ])('%s is refused by name', async (_, options, words) => {
    await expect(startTelemetry(options)).rejects.toThrow(words);
  });

  it('an address that is taken is refused by name', async () => {
    const first = await startTelemetry({ metricsAddress: '127.0.0.1:0' });
    ending.push(first.stop);
    const address = `127.0.0.1:${first.metricsPort}`;
    await expect(startTelemetry({ metricsAddress: address })).rejects.toThrow(`[unavailable] ${address}: cannot be listened on`);
  });
});

/** Makes one span and one count, and ends, which sends them. */
async function measureSomething(values: Readonly<Record<string, string>>): Promise<void> {
  const { telemetry, stop } = await startTelemetry({ environment: environment(values), version: '9' });
  telemetry.tracer.start('a span of mine').end();
  telemetry.meter.counter(metrics.tokens)(3, { 'gen_ai.token.type': 'input' });
  await stop();
}

describe('a collector', () => {
  it('gets traces and metrics over HTTP', async () => {
    const bodies = new Map<string, string>();
    const collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        bodies.set(`${request.url} ${request.headers['content-type']}`, Buffer.concat(chunks).toString('latin1'));
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    ending.push(() => collector.close());
    await measureSomething({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` });
    expect(bodies.get('/v1/traces application/x-protobuf')).toContain('a span of mine');
    expect(bodies.get('/v1/metrics application/x-protobuf')).toContain('athanor.tokens');
    expect(bodies.get('/v1/traces application/x-protobuf')).toContain('service.name');
  });

  it('gets traces and metrics over gRPC', async () => {
    const bodies = new Map<string, string>();
    const collector = new Server();
    for (const [service, name] of [
      ['trace', 'TraceService'],
      ['metrics', 'MetricsService'],
    ] as const)
      collector.addService(
        {
          Export: {
            path: `/opentelemetry.proto.collector.${service}.v1.${name}/Export`,
            requestStream: false,
            responseStream: false,
            requestSerialize: (bytes: Buffer) => bytes,
            requestDeserialize: (bytes: Buffer) => bytes,
            responseSerialize: (bytes: Buffer) => bytes,
            responseDeserialize: (bytes: Buffer) => bytes,
          },
        },
        {
          Export: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
            bodies.set(service, call.request.toString('latin1'));
            callback(null, Buffer.alloc(0));
          },
        },
      );
    const port = await new Promise<number>((resolve, reject) =>
      collector.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    ending.push(() => collector.forceShutdown());
    await measureSomething({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
    expect(bodies.get('trace')).toContain('a span of mine');
    expect(bodies.get('metrics')).toContain('athanor.tokens');
  });
});
