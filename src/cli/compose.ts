// The parts put together: one store, one engine, one queue of jobs, one server.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError, type Logger, silentLogger, silentTelemetry, type Telemetry } from '#base';
import type { Engine } from '#engine';
import { mapFile } from '#engine/onnx';
import { openEngine } from '#engine/open';
import { HttpServer } from '#http';
import {
  allHandlers,
  allowedTeachers,
  type ConnectTeacher,
  HubInference,
  JobRunner,
  JobStore,
  JobWorkers,
  ModelHub,
  memoryLimitBytes as memoryLimit,
  ObservedInference,
  observeModels,
  PathPolicy,
  ResultCheck,
} from '#jobs';
import type { CacheFormat } from '#models';
import type { ComputeMode } from '#serve';
import { AthanorServer, type StopOptions, teacherConnector } from '#server';
import { type FileSystem, LocalStore } from '#store';
import { checkShare, niceness, serverNotes } from './job-processes.ts';
import { packageVersion } from './package-version.ts';
import { openSecurity, type Security, type SecurityOptions, secureServer } from './security.ts';
import { teacherSecurity } from './teacher-security.ts';

export interface ComposeOptions {
  /** Folder of the store; made when it is missing. */
  readonly store: string;
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** `host:port` of the HTTP endpoints. Default: none. */
  readonly httpAddress?: string;
  /** Model of HTTP requests that name none. Default: the only one in the store. */
  readonly httpModel?: string;
  /** As engines name it, for example `cpu` or `tensorflow`. */
  readonly device?: string;
  readonly threads?: number;
  /** In which numbers generating models multiply. @default 'auto' */
  readonly compute?: ComputeMode;
  /** What loaded models keep keys and values as. Default: float32. */
  readonly cache?: CacheFormat;
  readonly logger?: Logger;
  /** Traces and metrics. Default: none. */
  readonly telemetry?: Telemetry;
  /** How the store writes to its disk; a test fills it. */
  readonly fileSystem?: FileSystem;
  /** Loads every result back in a fresh process before it gets its name. Default true; a test that counts processes switches it off. */
  readonly checkResults?: boolean;
  /** Bytes that the process may hold: compressions that would need more are refused. Default: what the machine or its control group has. */
  readonly memoryLimitBytes?: number;
  /** Bytes that models in memory may take; those that nobody uses leave for others. Default: three quarters of what the process may hold. */
  readonly modelMemoryBytes?: number;
  /** Also serve, over the Open Inference Protocol and under this name, a model that gives back what it is sent. */
  readonly identityModel?: string;
  /** How teachers on other servers are reached. Default: over gRPC, with two minutes of patience. */
  readonly connectTeacher?: ConnectTeacher;
  /** Unfinished jobs that one client may have. Default: no limit but that of all jobs. */
  readonly jobsPerClient?: number;
  /** Jobs are forgotten so long after their end. Default: 30. */
  readonly keepJobsDays?: number;
  /** Folders that jobs may name files in. Default: all that the process may reach, and none where callers are asked who they are. */
  readonly dataFolders?: readonly string[];
  /** Other servers, as `host:port` or `host`, whose models may teach. Default: all, and none where callers are asked who they are. */
  readonly teacherServers?: readonly string[];
  /** Where jobs run: each in a process of its own, which may die without the server, or in the server's. @default 'none' */
  readonly isolation?: Isolation;
  /** Share of the time that jobs in processes of their own run while calls are served: above 0, at most 1. Default 0.25. */
  readonly jobShare?: number;
  /** TLS, and who may call. Default: none, on loopback only. */
  readonly security?: SecurityOptions;
  /** The same, where it is open already. */
  readonly opened?: Security;
}

export const isolations = ['process', 'none'] as const;

export type Isolation = (typeof isolations)[number];

export interface RunningServer {
  readonly server: AthanorServer;
  readonly http?: HttpServer;
  /** Ends calls and jobs in order, then gives back memory and files. Safe to call twice. */
  stop(options?: StopOptions): Promise<void>;
}

/** @throws AppError `store_in_use` | `unavailable` (the address) | `provider_missing` | `file_not_allowed` | `disk_full` */
export async function startServer(options: ComposeOptions): Promise<RunningServer> {
  const { store, device, threads, logger = silentLogger, fileSystem, checkResults = true, memoryLimitBytes } = options;
  const {
    compute = 'auto',
    cache = 'float32',
    modelMemoryBytes = 0.75 * memoryLimit(memoryLimitBytes),
    telemetry = silentTelemetry,
  } = options;
  const { address, httpAddress, security: wanted = {} } = options;
  const { opened: security = openSecurity(wanted, [address, ...(httpAddress === undefined ? [] : [httpAddress])], logger) } = options;
  const root = resolve(store);
  await mkdir(root, { recursive: true }).catch((error: unknown) => {
    throw AppError.from(error);
  });
  // First, because its lock says whether another process works with the store.
  const jobStore = JobStore.open(join(root, 'jobs.db'));
  try {
    const artefacts = await LocalStore.open(root, { map: mapFile, ...(fileSystem === undefined ? {} : { fileSystem }) });
    const engine = await openEngine({ device, threads });
    const parts = { root, options, security, logger, telemetry, jobStore, artefacts, engine, checkResults };
    return await serve({ ...parts, memoryLimitBytes, modelMemoryBytes, compute, cache });
  } catch (error) {
    jobStore.close();
    throw error;
  }
}

interface Parts {
  readonly root: string;
  readonly options: Pick<
    ComposeOptions,
    | 'address'
    | 'httpAddress'
    | 'httpModel'
    | 'identityModel'
    | 'connectTeacher'
    | 'jobsPerClient'
    | 'keepJobsDays'
    | 'dataFolders'
    | 'teacherServers'
    | 'threads'
    | 'isolation'
    | 'jobShare'
  >;
  readonly security: Security;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly jobStore: JobStore;
  readonly artefacts: LocalStore;
  readonly engine: Engine;
  readonly checkResults: boolean;
  readonly memoryLimitBytes: number | undefined;
  readonly modelMemoryBytes: number;
  readonly compute: ComputeMode;
  readonly cache: CacheFormat;
}

/** Unfinished jobs of all clients, and ended ones that are kept. */
const [largestQueue, largestHistory] = [1000, 10_000];

/** Part of the models' memory that the keys and values of one of them may take. */
const cacheShare = 0.25;

async function serve({
  root,
  options: {
    address,
    httpAddress,
    httpModel,
    identityModel,
    connectTeacher,
    jobsPerClient,
    keepJobsDays = 30,
    dataFolders,
    teacherServers,
    threads,
    isolation = 'none',
    jobShare = 0.25,
  },
  security: { tls, guard },
  logger,
  telemetry,
  jobStore,
  artefacts,
  engine,
  checkResults,
  memoryLimitBytes,
  modelMemoryBytes,
  compute,
  cache,
}: Parts): Promise<RunningServer> {
  const uploadFolder = join(root, 'uploads');
  const allowedServers = teacherServers ?? (guard === undefined ? undefined : []);
  const workers =
    isolation === 'none'
      ? undefined
      : new JobWorkers({
          entry: fileURLToPath(new URL('job-worker.js', import.meta.url)),
          settings: { root, device: engine.device, threads, checkResults, teacherServers: allowedServers, niceness },
          notes: serverNotes(jobStore),
          share: checkShare(jobShare),
          memoryLimitBytes: () => memoryLimit(memoryLimitBytes) - process.memoryUsage.rss(),
        });
  const hub = new ModelHub({
    store: artefacts,
    engine,
    ledger: jobStore.models,
    promotions: jobStore.promotions,
    memoryBytes: modelMemoryBytes,
    ...(checkResults ? { check: new ResultCheck(engine) } : {}),
    jobElsewhere: (hash) => workers?.userOf(hash),
    onCalls: (count) => workers?.onCalls(count),
  });
  const handlers = allHandlers(hub, engine, jobStore.models, {
    connectTeacher: allowedTeachers(connectTeacher ?? teacherConnector({ security: teacherSecurity(process.env) }), allowedServers),
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
  });
  const runner = JobRunner.start({
    store: jobStore,
    handlers: workers === undefined ? handlers : handlers.map((handler) => workers.isolate(handler)),
    memoryBytes: (jobId) => workers?.memoryBytes(jobId) ?? process.memoryUsage.rss(),
    workFolder: join(root, 'work'),
    paths: new PathPolicy(dataFolders === undefined && guard === undefined ? undefined : [uploadFolder, ...(dataFolders ?? [])]),
    quota: { inAll: largestQueue, ...(jobsPerClient === undefined ? {} : { perOwner: jobsPerClient }) },
    retention: { maxAgeMs: keepJobsDays * 24 * 3600 * 1000, maxJobs: largestHistory },
    logger,
    telemetry,
  });
  const { meter } = telemetry;
  const hubInference = new HubInference(hub, engine, { cacheBytes: cacheShare * modelMemoryBytes, meter, compute, cache });
  const stopObserving = observeModels(meter, { hub, inference: hubInference, engine });
  const release = async (): Promise<void> => {
    stopObserving();
    await workers?.close();
    await hub.dispose();
    await engine.dispose();
    jobStore.close();
  };
  try {
    // Off means absent: not even a wrapper is in the way.
    const inference = telemetry === silentTelemetry ? hubInference : new ObservedInference(hubInference, telemetry);
    const server = await AthanorServer.listen({
      jobs: runner,
      models: hub,
      inference,
      uploadFolder,
      address,
      logger,
      telemetry,
      version: packageVersion(),
      guard,
      tls,
      ...(identityModel === undefined ? {} : { identityModel }),
    });
    const http =
      httpAddress === undefined
        ? undefined
        : await HttpServer.listen({
            inference,
            models: hub,
            address: httpAddress,
            logger,
            telemetry,
            guard,
            secureServer: tls === undefined ? undefined : secureServer(tls, logger),
            ...(httpModel === undefined ? {} : { defaultModel: httpModel }),
          }).catch(async (error: unknown) => {
            await server.stop();
            throw error;
          });
    let stopped: Promise<void> | undefined;
    const stop = async (options?: StopOptions): Promise<void> => {
      // Both sides leave together: what one still answers, the other must not cut off.
      stopped ??= Promise.all([server.stop(options), http?.stop(options)]).then(release);
      await stopped;
    };
    return { server, ...(http === undefined ? {} : { http }), stop };
  } catch (error) {
    await runner.stop();
    await release();
    throw error;
  }
}
