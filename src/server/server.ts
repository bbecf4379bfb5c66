// The gRPC server: services on one port, health, and an orderly end.
import { Server } from '@grpc/grpc-js';
import type { AccessGuard } from '#access';
import { AppError, type Logger, silentLogger, silentTelemetry, type Telemetry } from '#base';
import type { InferenceBackend, JobRunner } from '#jobs';
import { CallGate } from './calls.ts';
import type { CompressionServiceHandlers } from './gen/athanor/v1/CompressionService.ts';
import type { DistillationServiceHandlers } from './gen/athanor/v1/DistillationService.ts';
import type { EvaluationServiceHandlers } from './gen/athanor/v1/EvaluationService.ts';
import { Health } from './health.ts';
import { dropLateMessages } from './late-messages.ts';
import { compressRequest, specRequest } from './messages.ts';
import { checkedServices, messageLimits, protocol } from './protocol.ts';
import { reflectionService, shippedDescriptors } from './reflection.ts';
import { inferenceService } from './services/inference-service.ts';
import { jobService } from './services/job-service.ts';
import { startJob } from './services/job-streams.ts';
import { type ModelCatalogue, modelService } from './services/model-service.ts';
import { removeLeftUploads } from './services/uploads.ts';
import { serverCredentials, type TlsFiles } from './transport.ts';
import { tritonService } from './triton/triton-service.ts';

export interface ServerOptions {
  readonly jobs: JobRunner;
  readonly models: ModelCatalogue;
  readonly inference: InferenceBackend;
  /** Uploads are written below it until they are imported. */
  readonly uploadFolder: string;
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly logger?: Logger;
  /** Version of the program, for clients that ask. */
  readonly version?: string;
  /** Also serve, over the Open Inference Protocol and under this name, a model that gives back what it is sent. */
  readonly identityModel?: string;
  readonly telemetry?: Telemetry;
  /** Lets calls in; absent to let in all. */
  readonly guard?: AccessGuard | undefined;
  /** Absent to listen without TLS. */
  readonly tls?: TlsFiles | undefined;
}

export interface StopOptions {
  /** Health says NOT_SERVING this long before calls are refused, so that balancers look elsewhere. Default 0. */
  readonly pauseMs?: number;
  /** Streams that are open have this long to end. Default 5000 ms. */
  readonly graceMs?: number;
}

/** Time for connections to take the last statuses and the goodbye. */
const goodbyeMs = 250;

/**
 * States: serving → leaving (health is NOT_SERVING, calls are taken) → draining (calls are refused, jobs stop, streams end) → stopped.
 */
export class AthanorServer {
  /** The port it listens on. */
  readonly port: number;
  readonly #server: Server;
  readonly #gate: CallGate;
  /** Of calls about the server itself, which are answered until its end. */
  readonly #probes: CallGate;
  readonly #health: Health;
  readonly #jobs: JobRunner;
  #stopped: Promise<void> | undefined;

  private constructor(server: Server, port: number, gate: CallGate, probes: CallGate, health: Health, jobs: JobRunner) {
    this.#server = server;
    this.port = port;
    this.#gate = gate;
    this.#probes = probes;
    this.#health = health;
    this.#jobs = jobs;
  }

  /** Listens and serves. @throws AppError `unavailable` when the address cannot be had */
  static async listen(options: ServerOptions): Promise<AthanorServer> {
    const { jobs, models, inference, uploadFolder, address, logger = silentLogger, telemetry = silentTelemetry } = options;
    const { version = '0', identityModel, guard, tls } = options;
    const definitions = protocol();
    const gate = new CallGate(logger, telemetry, guard);
    // Probes come every second and would drown what people look for.
    const probes = new CallGate(logger, silentTelemetry, guard);
    const health = new Health(checkedServices, models);
    const server = new Server({
      ...messageLimits,
      // Quiet streams last hours: a dead peer shows by its missing pings, not by its silence.
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.max_concurrent_streams': 1000,
      // Nobody reads its counters, and every call pays for them.
      'grpc.enable_channelz': 0,
      interceptors: [dropLateMessages],
    });
    const imports = jobs.list(['QUEUED', 'RUNNING', 'PAUSED'], Number.MAX_SAFE_INTEGER).filter(({ kind }) => kind === 'import');
    await removeLeftUploads(uploadFolder, (folder) => imports.some(({ spec }) => (spec as { readonly path?: string }).path === folder));
    server.addService(definitions.model, modelService(gate, models, jobs, uploadFolder));
    server.addService(definitions.job, jobService(gate, jobs));
    server.addService(definitions.inference, inferenceService(gate, inference));
    const compression: CompressionServiceHandlers = {
      Compress: gate.serverStream(({ spec, priority }, context) => startJob(jobs, compressRequest(spec), priority, context)),
    };
    const distillation: DistillationServiceHandlers = {
      Distill: gate.serverStream(({ spec, priority }, context) => startJob(jobs, specRequest('distill', spec), priority, context)),
    };
    const evaluation: EvaluationServiceHandlers = {
      Evaluate: gate.serverStream(({ spec, priority }, context) => startJob(jobs, specRequest('evaluate', spec), priority, context)),
    };
    server.addService(definitions.compression, compression);
    server.addService(definitions.distillation, distillation);
    server.addService(definitions.evaluation, evaluation);
    const triton = { models, inference, serverVersion: version, isReady: () => health.isServing, probes };
    server.addService(
      definitions.openInference,
      tritonService(gate, { ...triton, ...(identityModel === undefined ? {} : { identityModel }) }),
    );
    server.addService(definitions.health, health.handlers(probes));
    for (const reflection of [definitions.reflection, definitions.reflectionAlpha])
      server.addService(reflection, reflectionService(probes, shippedDescriptors()));
    const port = await bind(server, address, tls, logger);
    logger.info('serving', { address, port });
    return new AthanorServer(server, port, gate, probes, health, jobs);
  }

  /** Calls that are open now. */
  get openCalls(): number {
    return this.#gate.openCalls;
  }

  /** Ends in order; calling it again waits for the same end. */
  stop({ pauseMs = 0, graceMs = 5000 }: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#stop(pauseMs, graceMs);
    return this.#stopped;
  }

  /** Ends at once: open calls are cut off. */
  kill(): void {
    this.#gate.abort();
    this.#probes.abort();
    this.#server.forceShutdown();
  }

  async #stop(pauseMs: number, graceMs: number): Promise<void> {
    this.#health.leave();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    this.#gate.refuse();
    // Streams of jobs end with it, and say where to go on.
    await this.#jobs.stop();
    if (!(await this.#gate.settle(graceMs))) {
      this.#gate.abort();
      await this.#gate.settle(1000);
    }
    // Those who watch have seen it go.
    this.#probes.abort();
    // Says goodbye to every connection, and does not wait long for the slow ones.
    await Promise.race([
      new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve())),
      new Promise((resolve) => setTimeout(resolve, goodbyeMs)),
    ]);
    this.#server.forceShutdown();
  }
}

function bind(server: Server, address: string, tls: TlsFiles | undefined, logger: Logger): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, serverCredentials(tls, logger), (error, port) => {
      if (error === null) resolve(port);
      else
        reject(
          new AppError('unavailable', `${address}: cannot be listened on: ${error.message}. Choose another address.`, { cause: error }),
        );
    });
  });
}
