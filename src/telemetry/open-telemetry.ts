// The interfaces of base over OpenTelemetry's SDK. It registers nothing globally: several servers in one process do not mix.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type Meter as OtelMeter,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  attributes,
  type Instrument,
  type Labels,
  type Meter,
  type Reading,
  type Span,
  type SpanAttributes,
  type SpanFailure,
  type SpanOptions,
  type Tracer,
} from '#base';

const propagator = new W3CTraceContextPropagator();

/** Spans of the SDK; the current one follows promises and timers. */
export class OpenTelemetryTracer implements Tracer {
  readonly #tracer: OtelTracer;
  readonly #current = new AsyncLocalStorage<SdkSpan>();

  constructor(tracer: OtelTracer) {
    this.#tracer = tracer;
  }

  start(name: string, options: SpanOptions = {}): Span {
    const { kind = 'internal', attributes: given = {}, startMs } = options;
    const span = this.#tracer.startSpan(
      name,
      {
        kind: kind === 'server' ? SpanKind.SERVER : SpanKind.INTERNAL,
        attributes: known(given),
        ...(startMs === undefined ? {} : { startTime: startMs }),
      },
      this.#parentOf(options),
    );
    return new SdkSpan(span);
  }

  within<Result>(span: Span, work: () => Result): Result {
    return span instanceof SdkSpan ? this.#current.run(span, work) : work();
  }

  current(): Span | undefined {
    return this.#current.getStore();
  }

  ids(): { readonly traceId: string; readonly spanId: string } | undefined {
    return this.#current.getStore()?.span.spanContext();
  }

  #parentOf({ headers, ...options }: SpanOptions): Context {
    if (headers !== undefined) {
      const remote = propagator.extract(ROOT_CONTEXT, headers, { get: (read, name) => read(name), keys: () => [] });
      if (trace.getSpanContext(remote) !== undefined) return remote;
    }
    const parent = 'parent' in options ? options.parent : this.current();
    return parent instanceof SdkSpan ? trace.setSpan(ROOT_CONTEXT, parent.span) : ROOT_CONTEXT;
  }
}

class SdkSpan implements Span {
  readonly span: OtelSpan;
  #hasEnded = false;

  constructor(span: OtelSpan) {
    this.span = span;
  }

  set(given: SpanAttributes): void {
    if (!this.#hasEnded) this.span.setAttributes(known(given));
  }

  end(failure?: SpanFailure, atMs?: number): void {
    if (this.#hasEnded) return;
    if (failure !== undefined) {
      const { type, message } = failure;
      this.span.setAttribute(attributes.errorType, type);
      this.span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
    }
    this.#hasEnded = true;
    this.span.end(atMs);
  }
}

export class OpenTelemetryMeter implements Meter {
  readonly #meter: OtelMeter;

  constructor(meter: OtelMeter) {
    this.#meter = meter;
  }

  counter({ name, unit, description }: Instrument): (value: number, labels?: Labels) => void {
    const counter = this.#meter.createCounter(name, { unit, description });
    return (value, labels) => counter.add(value, labels);
  }

  histogram({ name, unit, description, buckets }: Instrument): (value: number, labels?: Labels) => void {
    const advice = buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...buckets] } };
    const histogram = this.#meter.createHistogram(name, { unit, description, ...advice });
    return (value, labels) => histogram.record(value, labels);
  }

  gauge({ name, unit, description, gone = 0 }: Instrument, read: () => Iterable<Reading>): () => void {
    const gauge = this.#meter.createObservableGauge(name, { unit, description });
    // The SDK repeats the last value of what is not observed any more.
    const seen = new Map<string, Labels | undefined>();
    const observe = (result: { observe(value: number, labels?: Labels): void }): void => {
      const missing = new Map(seen);
      for (const { value, labels } of read()) {
        const key = JSON.stringify(labels);
        seen.set(key, labels);
        missing.delete(key);
        result.observe(value, labels);
      }
      for (const labels of missing.values()) result.observe(gone, labels);
    };
    gauge.addCallback(observe);
    return () => gauge.removeCallback(observe);
  }

  total({ name, unit, description }: Instrument, read: () => Iterable<Reading>): () => void {
    const counter = this.#meter.createObservableCounter(name, { unit, description });
    const observe = (result: { observe(value: number, labels?: Labels): void }): void => {
      for (const { value, labels } of read()) result.observe(value, labels);
    };
    counter.addCallback(observe);
    return () => counter.removeCallback(observe);
  }
}

function known(given: SpanAttributes): Record<string, string | number | boolean | string[]> {
  const entries = Object.entries(given).flatMap(([key, value]): [string, string | number | boolean | string[]][] => {
    if (value === undefined) return [];
    return [[key, typeof value === 'object' ? [...value] : value]];
  });
  return Object.fromEntries(entries);
}
