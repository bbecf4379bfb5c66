// OpenTelemetry's providers with the exporters that are wanted: OTLP, Prometheus, or those of a test.
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, type MetricReader } from '@opentelemetry/sdk-metrics';
import { type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { provider, type Telemetry } from '#base';
import { OpenTelemetryMeter, OpenTelemetryTracer } from './open-telemetry.ts';
import { observeProcess } from './process-metrics.ts';

export interface SdkOptions {
  readonly version: string;
  readonly readers: readonly MetricReader[];
  readonly spanProcessors: readonly SpanProcessor[];
}

export interface Sdk extends Telemetry {
  /** Sends what is left, and ends. */
  stop(): Promise<void>;
}

export function makeSdk({ version, readers, spanProcessors }: SdkOptions): Sdk {
  // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
  const resource = resourceFromAttributes({ 'service.name': provider, 'service.version': version }).merge(
    detectResources({ detectors: [envDetector] }),
  );
  const tracers = new TracerProvider({ resource, spanProcessors: [...spanProcessors] });
  const meters = new MeterProvider({ resource, readers: [...readers] });
  const tracer = new OpenTelemetryTracer(tracers.getTracer(provider, version));
  const meter = new OpenTelemetryMeter(meters.getMeter(provider, version));
  const stopReading = observeProcess(meter);
  return {
    tracer,
    meter,
    async stop() {
      await Promise.allSettled([tracers.shutdown(), meters.shutdown()]);
      stopReading();
    },
  };
}
