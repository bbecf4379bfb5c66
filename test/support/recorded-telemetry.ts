// The SDK with exporters that keep everything in memory, for tests.
import { AggregationTemporality, InMemoryMetricExporter, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { onTestFinished } from 'vitest';
import type { Telemetry } from '#base';
import { makeSdk } from '../../src/telemetry/sdk.ts';

/** One time series as it was collected. */
export interface Point {
  readonly name: string;
  readonly unit: string;
  readonly labels: Readonly<Record<string, unknown>>;
  /** A number, or count and sum of a histogram. */
  readonly value: unknown;
}

export interface RecordedTelemetry extends Telemetry {
  /** Spans that have ended, in that order. */
  spans(): readonly ReadableSpan[];
  /** The series of now. */
  points(): Promise<readonly Point[]>;
  stop(): Promise<void>;
}

export function recordedTelemetry(): RecordedTelemetry {
  const spanExporter = new InMemorySpanExporter();
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  // Collected when the test asks, never by time.
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30, exportTimeoutMillis: 2 ** 30 });
  const sdk = makeSdk({ version: 'test', readers: [reader], spanProcessors: [new SimpleSpanProcessor({ exporter: spanExporter })] });
  return {
    tracer: sdk.tracer,
    meter: sdk.meter,
    spans: () => spanExporter.getFinishedSpans(),
    async points() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw errors[0];
      return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
        metrics.flatMap(({ descriptor: { name, unit }, dataPoints }) =>
          dataPoints.map(({ attributes: labels, value }) => ({ name, unit, labels, value })),
        ),
      );
    },
    stop: () => sdk.stop(),
  };
}

/** The same, stopped when the test that runs now has ended. */
export function telemetryOfTest(): RecordedTelemetry {
  const telemetry = recordedTelemetry();
  onTestFinished(() => telemetry.stop());
  return telemetry;
}

/** The one span of a name. */
export function spanNamed(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  const [found, ...more] = spans.filter((span) => span.name === name);
  if (found === undefined || more.length > 0)
    throw new Error(`${found === undefined ? 'no' : 'more than one'} span "${name}" among ${spans.map((span) => span.name).join(', ')}`);
  return found;
}
