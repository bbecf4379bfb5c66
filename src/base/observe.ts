// Interfaces for logs, traces and metrics; the implementations are chosen where the program is put together.

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Of a span: anything that helps to read one trace, ids included. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Of a metric. Every value comes from a closed set: never an id, a text or a name that a caller made up. */
export type Labels = Readonly<Record<string, string>>;

/** What ends a span badly. */
export interface SpanFailure {
  /** From a closed set, for example a status name. */
  readonly type: string;
  readonly message?: string;
}

/** One piece of work in a trace. */
export interface Span {
  set(attributes: SpanAttributes): void;
  /**
   * Ends it; only the first call counts.
   *
   * @param atMs - since the epoch. @default now
   */
  end(failure?: SpanFailure, atMs?: number): void;
}

export interface SpanOptions {
  readonly kind?: 'internal' | 'server';
  readonly attributes?: SpanAttributes;
  /** What it is a part of. @default the current span; `undefined` given as such begins a trace */
  readonly parent?: Span | undefined;
  /** Headers of a caller (W3C `traceparent`, `tracestate`) whose span it is a part of; they win over `parent`. */
  readonly headers?: (name: string) => string | undefined;
  /** Since the epoch. @default now */
  readonly startMs?: number;
}

export interface Tracer {
  start(name: string, options?: SpanOptions): Span;
  /** Runs `work`, and all that follows from it, with `span` as the current one. */
  within<Result>(span: Span, work: () => Result): Result;
  current(): Span | undefined;
  /** Names the current span in logs. */
  ids(): { readonly traceId: string; readonly spanId: string } | undefined;
}

/** A metric: its name, unit (UCUM) and meaning. */
export interface Instrument {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  /** Upper bounds of a histogram's buckets, ascending. */
  readonly buckets?: readonly number[];
  /** What a gauge shows for labels that it has no reading of any more. @default 0 */
  readonly gone?: number;
}

export interface Reading {
  readonly value: number;
  readonly labels?: Labels;
}

export interface Meter {
  /** A sum that only grows. */
  counter(instrument: Instrument): (value: number, labels?: Labels) => void;
  histogram(instrument: Instrument): (value: number, labels?: Labels) => void;
  /** Something that is read when somebody asks for the metrics. Calling the answer ends that. */
  gauge(instrument: Instrument, read: () => Iterable<Reading>): () => void;
  /** The like for a sum that only grows and is kept elsewhere. */
  total(instrument: Instrument, read: () => Iterable<Reading>): () => void;
}

export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
}

const silentSpan: Span = { set() {}, end() {} };

const record = (): void => {};

/** Measures nothing, and costs a call of an empty function. */
export const silentTelemetry: Telemetry = {
  tracer: { start: () => silentSpan, within: (_span, work) => work(), current: () => undefined, ids: () => undefined },
  meter: { counter: () => record, histogram: () => record, gauge: () => record, total: () => record },
};
