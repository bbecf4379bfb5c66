// The `serve` command: a server until a signal ends it.
import { type Command, Option } from 'commander';
import { armFaults, silentTelemetry } from '#base';
import { type CacheFormat, cacheFormats } from '#models';
import { type ComputeMode, computeModes } from '#serve';
import { type RunningTelemetry, startTelemetry } from '#telemetry';
import { type Isolation, isolations, startServer } from '../compose.ts';
import { decimalNumber, defaultServer, defaultStore, wholeNumber } from '../options.ts';
import { Output } from '../output.ts';
import { openSecurity, type SecurityOptions, scrapeDoor } from '../security.ts';
import { standardLogger } from '../standard-log.ts';

interface ServeOptions extends SecurityOptions {
  readonly listen: string;
  readonly http?: string;
  readonly httpModel?: string;
  readonly store: string;
  readonly device?: string;
  readonly threads?: number;
  readonly compute: ComputeMode;
  readonly cache: CacheFormat;
  readonly memoryLimit?: number;
  readonly modelMemory?: number;
  readonly pauseMs: number;
  readonly graceMs: number;
  readonly identityModel?: string;
  readonly jobsPerClient?: number;
  readonly keepJobs: number;
  readonly dataFolder?: readonly string[];
  readonly teacherServer?: readonly string[];
  readonly isolation?: Isolation;
  readonly jobShare?: number;
  readonly json?: boolean;
  readonly metrics?: string;
}

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the server until it is told to stop (SIGTERM or SIGINT; a second one ends at once)')
    .option('--listen <host:port>', 'address to listen on; port 0 takes a free one', defaultServer)
    .option('--http <host:port>', "also answer clients of OpenAI's API over HTTP on this address (default: do not)")
    .option('--http-model <name>', 'model of HTTP requests that name none (default: the only one in the store)')
    .option('--store <dir>', 'folder of the store', defaultStore)
    .option(
      '--device <device>',
      'cpu, cuda:N, webgpu:0 or auto; tensorflow, tensorflow:cpu or tensorflow:gpu where TensorFlow is linked (see `athanor doctor`)',
      'cpu',
    )
    .option('--threads <count>', 'threads of one run (default: all processors)', wholeNumber)
    .addOption(
      new Option(
        '--compute <mode>',
        'numbers that generating models multiply in. exact: as they are stored; int8: weights and activations rounded to 8 bits, faster for many sequences, with other answers; float16: weights, products and cache in half precision, for GPUs; auto: as stored, and 8-bit integers too where a model of 4 bits or fewer is faster with them and loses less than its bits already lost',
      )
        .choices(computeModes)
        .default('auto'),
    )
    .addOption(
      new Option(
        '--cache <format>',
        'what generating models keep keys and values as. int8: a quarter of the memory, and faster for many sequences, with answers that change a little',
      )
        .choices(cacheFormats)
        .default('float32'),
    )
    .option('--memory-limit <MiB>', 'refuse jobs that would need more (default: what the machine has)', wholeNumber)
    .option(
      '--model-memory <MiB>',
      'memory of loaded models together; those that nobody uses are unloaded for others (default: three quarters of what the process may hold)',
      wholeNumber,
    )
    .addOption(
      new Option(
        '--isolation <where>',
        "where jobs run. process: each in a process of its own, so that one that dies takes no client with it, and goes on; none: in the server's, with one copy of the weights (default: process on the processor, none on a GPU)",
      ).choices(isolations),
    )
    .option(
      '--job-share <share>',
      'with --isolation process: share of the time that jobs run while calls are served, at most 1; between calls they run all the time (default: 0.25)',
      decimalNumber,
    )
    .option('--jobs-per-client <count>', 'jobs that one client may have waiting and running (default: no limit)', wholeNumber)
    .option('--keep-jobs <days>', 'forget jobs so long after their end, with the checkpoints of those that failed', wholeNumber, 30)
    .option('--pause-ms <ms>', 'on stopping, say NOT_SERVING this long before refusing calls', wholeNumber, 0)
    .option('--grace-ms <ms>', 'on stopping, let streams end for this long', wholeNumber, 10_000)
    .option('--identity-model <name>', 'also serve a model that gives back what it is sent, to measure the transport (ModelInfer)')
    .option('--metrics <host:port>', 'serve metrics to Prometheus on this address, under /metrics (default: do not)')
    .option('--tls-cert <file>', 'certificate chain (PEM) to serve with; read again when it changes')
    .option('--tls-key <file>', 'private key (PEM) of the certificate')
    .option('--tls-client-ca <file>', 'authority (PEM) of the certificates that clients must show')
    .option('--principals <file>', 'JSON file of those who may call: names, roles, limits, digests of tokens (see `athanor token`)')
    .option('--jwks <file>', 'public keys (JSON Web Key Set) of whoever signs tokens')
    .option('--jwt-audience <name>', 'audience that signed tokens must be for')
    .option('--jwt-issuer <name>', 'issuer that signed tokens must be from (default: any that the keys fit)')
    .option('--jwt-role-claim <name>', 'claim of signed tokens that holds the role (default: athanor_role)')
    .option(
      '--data-folder <dir...>',
      'folders that jobs may name files in, for imports, data, recordings and exports (default: all that the server may read, and none with --principals or --jwks)',
    )
    .option(
      '--teacher-server <host:port...>',
      'other athanor servers that jobs may have as teachers, a host alone meaning all its ports (default: any, and none with --principals or --jwks)',
    )
    .option('--audit-log <file>', 'append a JSON line for each call that changes something or is refused')
    .option(
      '--allow-insecure',
      'listen on a public address without TLS or without knowing who calls: anybody who reaches it may do everything',
    )
    .option('--json', 'log as JSON lines')
    .action(serve);
}

async function serve(options: ServeOptions, command: Command): Promise<void> {
  const { listen, http, httpModel, store, device, threads, compute, cache, memoryLimit, modelMemory } = options;
  const { pauseMs, graceMs, identityModel, jobsPerClient, keepJobs, json, metrics } = options;
  const output = new Output(json === true);
  // Before anything slow: a signal while models load must not be lost.
  let onSignal = (): void => process.exit(130);
  let signals = 0;
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.on(name, () => {
      if (++signals > 1) process.exit(1);
      onSignal();
    });
  let telemetry: RunningTelemetry | undefined;
  try {
    const addresses = [listen, http, metrics].filter((address) => address !== undefined);
    // Before there are traces to belong to.
    const plainLogger = standardLogger(json === true, silentTelemetry.tracer);
    const faults = armFaults(process.env['ATHANOR_TEST_FAULTS'] ?? '');
    if (faults.length > 0) plainLogger.warn('faults are armed: this server breaks on purpose', { points: faults.join(', ') });
    const security = openSecurity(options, addresses, plainLogger);
    telemetry = await startTelemetry({
      door: scrapeDoor(security, plainLogger),
      environment: process.env,
      version: command.parent?.version() ?? '0',
      ...(metrics === undefined ? {} : { metricsAddress: metrics }),
    });
    const { metricsPort } = telemetry;
    const logger = standardLogger(json === true, telemetry.telemetry.tracer);
    if (metricsPort !== undefined)
      logger.info('serving metrics', {
        url: `${security.tls === undefined ? 'http' : 'https'}://${metrics?.replace(/:\d+$/, '')}:${metricsPort}/metrics`,
      });
    const running = await startServer({
      store,
      address: listen,
      compute,
      cache,
      isolation: options.isolation ?? (device === 'cpu' ? 'process' : 'none'),
      ...(options.jobShare === undefined ? {} : { jobShare: options.jobShare }),
      ...(http === undefined ? {} : { httpAddress: http }),
      ...(httpModel === undefined ? {} : { httpModel }),
      logger,
      telemetry: telemetry.telemetry,
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
      keepJobsDays: keepJobs,
      ...(options.dataFolder === undefined ? {} : { dataFolders: options.dataFolder }),
      ...(options.teacherServer === undefined ? {} : { teacherServers: options.teacherServer }),
      opened: security,
      ...(jobsPerClient === undefined ? {} : { jobsPerClient }),
      ...(identityModel === undefined ? {} : { identityModel }),
      ...(memoryLimit === undefined ? {} : { memoryLimitBytes: memoryLimit * 2 ** 20 }),
      ...(modelMemory === undefined ? {} : { modelMemoryBytes: modelMemory * 2 ** 20 }),
    });
    const httpPort = running.http === undefined ? {} : { httpPort: running.http.port };
    output.result({ port: running.server.port, store, ...httpPort, ...(metricsPort === undefined ? {} : { metricsPort }) }, () =>
      [
        `athanor serves ${store} on ${listen.replace(/:\d+$/, '')}:${running.server.port}`,
        ...(running.http === undefined ? [] : [`HTTP on http://${(http ?? '').replace(/:\d+$/, '')}:${running.http.port}`]),
      ].join('\n'),
    );
    await new Promise<void>((resolve) => {
      onSignal = resolve;
    });
    await running.stop({ pauseMs, graceMs });
  } catch (error) {
    output.error(error);
    process.exitCode = 1;
  } finally {
    await telemetry?.stop();
  }
}
