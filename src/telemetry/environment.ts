// What the environment asks for, by OpenTelemetry's own variables.

export type Environment = Readonly<Record<string, string | undefined>>;

export type Signal = 'TRACES' | 'METRICS';

/** Whether the environment names a collector for a signal. */
export function wantsOtlp(environment: Environment, signal: Signal): boolean {
  const isOff = environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || environment[`OTEL_${signal}_EXPORTER`] === 'none';
  const endpoint = environment[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`] ?? environment['OTEL_EXPORTER_OTLP_ENDPOINT'];
  return !isOff && endpoint !== undefined && endpoint !== '';
}
