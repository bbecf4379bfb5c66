// grpc.health.v1 over a real connection: the server, its services, its models.
import { afterEach, expect, it } from 'vitest';
import { scriptedModels } from '#test/scripted-models';
import { temporaryFolder } from '#test/temporary';
import { startTrivialServer, type TrivialServer } from '#test/trivial-server';

const running: TrivialServer[] = [];

afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

async function start(names: readonly string[] = ['story']): Promise<TrivialServer> {
  const { models, inference } = scriptedModels(Object.fromEntries(names.map((name) => [name, { task: 'causal' as const }])));
  const server = await startTrivialServer({ handlers: [], folder: temporaryFolder(), models, inference });
  running.push(server);
  return server;
}

const check = ({ client }: TrivialServer, service: string) => client.unary(client.protocol.health.Check, { service });

it('the server and each of its services can be checked, others cannot', async () => {
  const server = await start();
  for (const service of ['', 'inference.GRPCInferenceService', 'athanor.v1.JobService'])
    expect(await check(server, service)).toEqual({ status: 'SERVING' });
  for (const service of ['athanor.v1.Nothing', 'model/nobody', 'model/../x', 'constructor'])
    await expect(check(server, service)).rejects.toMatchObject({ code: 'service_not_found' });
});

it('a model serves while it is in memory', async () => {
  const server = await start();
  const { client } = server;
  expect(await check(server, 'model/story')).toEqual({ status: 'NOT_SERVING' });
  await client.unary(client.protocol.model.Load, { name: 'story' });
  expect(await check(server, 'model/story')).toEqual({ status: 'SERVING' });
  const { statuses } = await client.unary(client.protocol.health.List, {});
  expect(statuses).toMatchObject({ '': { status: 'SERVING' }, 'model/story': { status: 'SERVING' } });
  expect(Object.keys(statuses)).toHaveLength(9);
});

it('a list that would be too long is refused', async () => {
  const { client } = await start(Array.from({ length: 100 }, (_, index) => `m${index}`));
  await expect(client.unary(client.protocol.health.List, {})).rejects.toMatchObject({ code: 'list_too_long' });
});

it('a watcher hears of every change once, of what is not known too', async () => {
  const { client } = await start();
  const heard = async (service: string, changes: readonly (() => Promise<unknown>)[]): Promise<string[]> => {
    const statuses: string[] = [];
    for await (const { status } of client.serverStream(client.protocol.health.Watch, { service })) {
      statuses.push(status);
      const change = changes[statuses.length - 1];
      if (change === undefined) break;
      await change();
    }
    return statuses;
  };
  const load = () => client.unary(client.protocol.model.Load, { name: 'story' });
  const unload = () => client.unary(client.protocol.model.Unload, { name: 'story' });
  expect(await heard('model/story', [load, unload])).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING']);
  expect(await heard('model/nobody', [])).toEqual(['SERVICE_UNKNOWN']);
});

it('a server that stops says so before it refuses calls', async () => {
  const server = await start();
  const { client } = server;
  const { openInference: rpc } = client.protocol;
  const heard: string[] = [];
  const watching = (async () => {
    for await (const { status } of client.serverStream(client.protocol.health.Watch, { service: '' })) {
      heard.push(status);
      if (heard.length === 2) break;
      void server.server.stop({ pauseMs: 500 });
    }
  })();
  await watching;
  expect(heard).toEqual(['SERVING', 'NOT_SERVING']);
  // In the pause: it says that it leaves, and still takes calls.
  expect(await check(server, '')).toEqual({ status: 'NOT_SERVING' });
  expect(await client.unary(rpc.ServerReady, {})).toEqual({ ready: false });
  expect(await client.unary(rpc.ServerLive, {})).toEqual({ live: true });
  expect((await client.unary(rpc.RepositoryIndex, {})).models).toHaveLength(1);
  await server.server.stop();
});
