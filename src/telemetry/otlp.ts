// Exporters for a collector, as the environment asks for them. Endpoints, headers and certificates are read by the exporters themselves.
import { type MetricReader, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace';
import { AppError } from '#base';
import { type Environment, type Signal, wantsOtlp } from './environment.ts';

export interface OtlpParts {
  readonly readers: readonly MetricReader[];
  readonly spanProcessors: readonly SpanProcessor[];
}

const protocols = ['grpc', 'http/protobuf'] as const;
type Protocol = (typeof protocols)[number];

const defaultIntervalMs = 60_000;

/** @throws AppError `invalid_argument` for a protocol or interval that there is not */
export async function otlpParts(environment: Environment): Promise<OtlpParts> {
  const spanProcessors: SpanProcessor[] = [];
  const readers: MetricReader[] = [];
  if (wantsOtlp(environment, 'TRACES'))
    spanProcessors.push(new BatchSpanProcessor({ exporter: await traceExporter(protocolOf(environment, 'TRACES')) }));
  if (wantsOtlp(environment, 'METRICS')) {
    const exporter = await metricExporter(protocolOf(environment, 'METRICS'));
    const exportIntervalMillis = intervalOf(environment);
    // An export may not last longer than the time until the next one.
    readers.push(
      new PeriodicExportingMetricReader({ exporter, exportIntervalMillis, exportTimeoutMillis: Math.min(30_000, exportIntervalMillis) }),
    );
  }
  return { readers, spanProcessors };
}

async function traceExporter(protocol: Protocol): Promise<SpanExporter> {
  if (protocol === 'grpc') return new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter();
  return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter();
}

async function metricExporter(protocol: Protocol): Promise<PushMetricExporter> {
  if (protocol === 'grpc') return new (await import('@opentelemetry/exporter-metrics-otlp-grpc')).OTLPMetricExporter();
  return new (await import('@opentelemetry/exporter-metrics-otlp-proto')).OTLPMetricExporter();
}

function protocolOf(environment: Environment, signal: Signal): Protocol {
  const name = `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`;
  const wanted = environment[name] ?? environment['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? 'http/protobuf';
  const found = protocols.find((protocol) => protocol === wanted);
  if (found === undefined)
    throw new AppError('invalid_argument', `OTEL_EXPORTER_OTLP_PROTOCOL: "${wanted}" is not spoken here. Use ${protocols.join(' or ')}.`, {
      details: { field: 'OTEL_EXPORTER_OTLP_PROTOCOL' },
    });
  return found;
}

function intervalOf(environment: Environment): number {
  const text = environment['OTEL_METRIC_EXPORT_INTERVAL'] ?? '';
  if (text === '') return defaultIntervalMs;
  const interval = Number(text);
  if (!Number.isInteger(interval) || interval < 1)
    throw new AppError('invalid_argument', `OTEL_METRIC_EXPORT_INTERVAL: must be whole milliseconds of at least 1, got "${text}".`, {
      details: { field: 'OTEL_METRIC_EXPORT_INTERVAL' },
    });
  return interval;
}
