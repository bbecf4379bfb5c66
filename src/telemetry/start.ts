// Telemetry as it is asked for; where nobody asks, nothing of OpenTelemetry is even loaded.
import { silentTelemetry, type Telemetry } from '#base';
import { type Environment, wantsOtlp } from './environment.ts';
import type { ScrapeDoor } from './prometheus.ts';

export interface TelemetryOptions {
  /** `host:port` to be scraped at; port 0 takes a free one. Absent: no scraping. */
  readonly metricsAddress?: string;
  /** Who may scrape. Default: whoever reaches the address. */
  readonly door?: ScrapeDoor;
  /** For a collector, as OpenTelemetry names them: OTEL_EXPORTER_OTLP_ENDPOINT and its kin. */
  readonly environment?: Environment;
  /** Of the program. */
  readonly version?: string;
}

export interface RunningTelemetry {
  /** `silentTelemetry` itself where nobody asked for any. */
  readonly telemetry: Telemetry;
  /** Where it is scraped. */
  readonly metricsPort?: number;
  /** Sends what is left, and ends. */
  stop(): Promise<void>;
}

/** @throws AppError `invalid_argument` | `unavailable` (the address) */
export async function startTelemetry({
  metricsAddress,
  door,
  environment = {},
  version = '0',
}: TelemetryOptions): Promise<RunningTelemetry> {
  const wantsCollector = wantsOtlp(environment, 'TRACES') || wantsOtlp(environment, 'METRICS');
  if (metricsAddress === undefined && !wantsCollector) return { telemetry: silentTelemetry, stop: async () => {} };
  const [{ otlpParts }, { serveScrapes }, { makeSdk }] = await Promise.all([
    import('./otlp.ts'),
    import('./prometheus.ts'),
    import('./sdk.ts'),
  ]);
  const { readers, spanProcessors } = await otlpParts(environment);
  const scrapes = metricsAddress === undefined ? undefined : await serveScrapes(metricsAddress, door);
  const sdk = makeSdk({ version, spanProcessors, readers: [...readers, ...(scrapes === undefined ? [] : [scrapes.reader])] });
  return {
    telemetry: { tracer: sdk.tracer, meter: sdk.meter },
    ...(scrapes === undefined ? {} : { metricsPort: scrapes.port }),
    async stop() {
      await scrapes?.stop();
      await sdk.stop();
    },
  };
}
