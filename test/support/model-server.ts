// A real server on loopback with a fixture model in its store, and the parts behind it in reach.
import { join } from 'node:path';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { HubInference, type HubInferenceOptions, JobRunner, JobStore, ModelHub } from '#jobs';
import { AthanorClient, AthanorServer } from '#server';
import { importHuggingFace, LocalStore } from '#store';
import { type FixtureModel, fixtureModelFolder } from './fixture-tokenizers.ts';

/** Saves a fixture model in a store, under a name. */
export async function storeFixture(folder: string, fixture: FixtureModel, name: string): Promise<LocalStore> {
  const { model, tokenizerFiles, generation } = await importHuggingFace(fixtureModelFolder(fixture));
  const store = await LocalStore.open(folder);
  await store.saveArtefact(name, { model, tokenizerFiles, generation, meta: {} });
  return store;
}

export interface ModelServer {
  readonly server: AthanorServer;
  readonly client: AthanorClient;
  readonly target: string;
  readonly hub: ModelHub;
  readonly inference: HubInference;
  readonly engine: Engine;
  close(): Promise<void>;
}

/** Serves `stories260K` as `m`. */
export async function startModelServer(folder: string, options: HubInferenceOptions = {}): Promise<ModelServer> {
  const store = await storeFixture(folder, 'stories260K', 'm');
  const jobStore = JobStore.open(join(folder, 'jobs.db'));
  const engine = await createOnnxEngine({ device: 'cpu' });
  const hub = new ModelHub({ store, engine, ledger: jobStore.models });
  const inference = new HubInference(hub, engine, options);
  const jobs = JobRunner.start({ store: jobStore, handlers: [], workFolder: join(folder, 'work'), heartbeatMs: 0 });
  const uploadFolder = join(folder, 'uploads');
  const server = await AthanorServer.listen({ jobs, models: hub, inference, uploadFolder, address: '127.0.0.1:0' });
  const target = `127.0.0.1:${server.port}`;
  const client = new AthanorClient(target);
  return {
    server,
    client,
    target,
    hub,
    inference,
    engine,
    async close() {
      client.close();
      await server.stop({ graceMs: 1000 });
      await hub.dispose();
      await engine.dispose();
      jobStore.close();
    },
  };
}
