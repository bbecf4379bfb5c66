// Log lines on standard error: for people, or JSON for machines, with the trace that they belong to.
import type { LogFields, Logger, Tracer } from '#base';

/** @param write - takes each line with its end */
export function standardLogger(
  isJson: boolean,
  tracer: Pick<Tracer, 'ids'>,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const writer =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      const time = new Date().toISOString();
      const ids = tracer.ids();
      const trace = ids === undefined ? {} : { trace_id: ids.traceId, span_id: ids.spanId };
      const all = { ...fields, ...trace };
      const pairs = Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
      write(`${isJson ? JSON.stringify({ time, level, message, ...all }) : [time, level, message, ...pairs].join(' ')}\n`);
    };
  return { debug: () => {}, info: writer('info'), warn: writer('warn'), error: writer('error') };
}
