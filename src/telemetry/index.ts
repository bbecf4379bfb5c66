// telemetry: traces and metrics over OpenTelemetry, to a collector or to be scraped.
// The SDK is loaded when somebody asks for it, so nothing that imports it statically is exported here.
export type { ScrapeDoor } from './prometheus.ts';
export { type RunningTelemetry, startTelemetry, type TelemetryOptions } from './start.ts';
