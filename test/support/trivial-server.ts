// A real server on loopback with jobs and models that need no engine.
import { join } from 'node:path';
import { AppError, type Logger, silentLogger, silentTelemetry, type Telemetry } from '#base';
import { type InferenceBackend, JobRunner, type JobRunnerOptions, JobStore, ObservedInference, type RegisteredHandler } from '#jobs';
import { AthanorClient, AthanorServer, type ModelCatalogue } from '#server';

export interface TrivialServer {
  readonly server: AthanorServer;
  readonly client: AthanorClient;
  readonly runner: JobRunner;
  readonly target: string;
  readonly folder: string;
  close(): Promise<void>;
}

export interface TrivialServerOptions {
  readonly handlers: readonly RegisteredHandler[];
  readonly folder: string;
  readonly runner?: Partial<JobRunnerOptions>;
  readonly inference?: Partial<InferenceBackend>;
  readonly models?: ModelCatalogue;
  readonly identityModel?: string;
  readonly logger?: Logger;
  readonly telemetry?: Telemetry;
}

function noModel(name: string): never {
  throw new AppError('model_not_found', `"${name}": no model has this name. List the models with \`athanor models\`.`, {
    details: { name },
  });
}

const noModels: ModelCatalogue = {
  list: async () => [],
  get: async (name) => noModel(name),
  load: async (name) => noModel(name),
  unload: async (name) => noModel(name),
  delete: async (name) => noModel(name),
  promote: async (_, name) => noModel(name),
  rollBack: async (name) => noModel(name),
  promotions: () => [],
};

const noInference: InferenceBackend = {
  generate: (name) => noModel(name),
  score: async (name) => noModel(name),
  classify: async (name) => noModel(name),
  embed: async (name) => noModel(name),
  fillMask: async (name) => noModel(name),
  tokenize: async (name) => noModel(name),
  detokenize: async (name) => noModel(name),
  describe: async (name) => noModel(name),
  tokenizer: async (name) => noModel(name),
};

export async function startTrivialServer({
  handlers,
  folder,
  runner: options,
  inference,
  models = noModels,
  identityModel,
  logger = silentLogger,
  telemetry = silentTelemetry,
}: TrivialServerOptions): Promise<TrivialServer> {
  const store = JobStore.open(join(folder, 'jobs.db'));
  const runner = JobRunner.start({ store, handlers, workFolder: join(folder, 'work'), flushMs: 1, heartbeatMs: 0, telemetry, ...options });
  const server = await AthanorServer.listen({
    jobs: runner,
    models,
    inference: new ObservedInference({ ...noInference, ...inference }, telemetry),
    uploadFolder: join(folder, 'uploads'),
    address: '127.0.0.1:0',
    logger,
    telemetry,
    ...(identityModel === undefined ? {} : { identityModel }),
  });
  const target = `127.0.0.1:${server.port}`;
  const client = new AthanorClient(target);
  const close = async (): Promise<void> => {
    client.close();
    await server.stop({ graceMs: 100 });
    store.close();
  };
  return { server, client, runner, target, folder, close };
}
