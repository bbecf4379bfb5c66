// A server that others can reach: TLS whose certificate changes, certificates of clients, tokens and roles over gRPC, HTTP and the command line.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { newToken } from '#access';
import { silentLogger } from '#base';
import { AthanorClient, type ClientSecurity } from '#server';
import { TestAuthority, whyNoCertificates } from '#test/certificates';
import { temporaryFolder } from '#test/temporary';
import { type ComposeOptions, type RunningServer, startServer } from '../../src/cli/compose.ts';
import { openSecurity, scrapeDoor } from '../../src/cli/security.ts';
import { startTelemetry } from '../../src/telemetry/index.ts';

const stories = fileURLToPath(new URL('../fixtures/models/stories260K', import.meta.url));

async function running(options: Partial<ComposeOptions>, work: (server: RunningServer) => Promise<void>): Promise<void> {
  const server = await startServer({
    store: temporaryFolder(),
    address: '127.0.0.1:0',
    httpAddress: '127.0.0.1:0',
    threads: 1,
    ...options,
  });
  try {
    await work(server);
  } finally {
    await server.stop({ graceMs: 100 });
  }
}

async function asClient<Result>(
  { server }: RunningServer,
  security: ClientSecurity,
  work: (client: AthanorClient) => Promise<Result>,
): Promise<Result> {
  const client = new AthanorClient(`localhost:${server.port}`, security);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

const list = (client: AthanorClient): Promise<unknown> => client.unary(client.protocol.model.List, {}, { timeoutMs: 10_000 });

interface Reply {
  readonly status: number | undefined;
  readonly serial: string;
}

function get({ http }: RunningServer, path: string, options: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = request({ host: 'localhost', port: http?.port, path, agent: false, ...options }, (response) => {
      const { serialNumber: serial } = (response.socket as TLSSocket).getPeerCertificate();
      response.resume().on('end', () => resolve({ status: response.statusCode, serial }));
    });
    call.on('error', reject).end();
  });
}

describe('tokens', () => {
  it('open what their role may do, for every protocol, and jobs belong to who submitted them', async () => {
    const people = (['read', 'infer', 'train', 'admin'] as const).map((role) => ({ role, ...newToken() }));
    const principals = join(temporaryFolder(), 'principals.json');
    const other = newToken();
    writeFileSync(
      principals,
      JSON.stringify({
        principals: [
          ...people.map(({ role, digest }) => ({ name: role, role, tokens: [digest] })),
          { name: 'other', role: 'train', tokens: [other.digest] },
        ],
      }),
    );
    const auditLog = join(temporaryFolder(), 'audit.jsonl');
    await running({ security: { principals, auditLog }, dataFolders: [dirname(stories)] }, async (server) => {
      const [reader, asker, trainer, admin] = people.map(({ token }) => ({ token }));
      await expect(asClient(server, {}, list)).rejects.toMatchObject({ code: 'unauthenticated' });
      await asClient(server, {}, (client) => client.unary(client.protocol.health.Check, { service: '' }));
      await expect(asClient(server, reader!, list)).resolves.toMatchObject({ models: [] });
      const bring = (client: AthanorClient) => client.unary(client.protocol.model.Import, { name: 'model', path: stories });
      await expect(asClient(server, asker!, bring)).rejects.toMatchObject({ code: 'permission_denied' });
      await asClient(server, trainer!, bring);
      const outside = (client: AthanorClient) => client.unary(client.protocol.model.Import, { name: 'other', path: '/etc' });
      await expect(asClient(server, admin!, outside)).rejects.toMatchObject({ code: 'file_not_allowed' });
      const tokenize = (client: AthanorClient) => client.unary(client.protocol.inference.Tokenize, { model: 'model', text: 'Once' });
      await expect(asClient(server, reader!, tokenize)).rejects.toMatchObject({ code: 'permission_denied' });
      await asClient(server, asker!, tokenize);

      const url = `http://127.0.0.1:${server.http?.port}`;
      const ask = (path: string, token?: string): Promise<number> =>
        fetch(`${url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }).then(({ status }) => status);
      expect(await ask('/health')).toBe(200);
      expect(await ask('/v1/models')).toBe(401);
      expect(await ask('/v1/models', reader!.token)).toBe(200);
      expect(await ask('/nowhere', admin!.token)).toBe(403);

      const jobId = await asClient(server, trainer!, async (client) => {
        const settings = { steps: 100_000, batchSize: 1, sequenceLength: 16 };
        const data = { inlineText: Buffer.from('Once upon a time there was a little girl. '.repeat(50)) };
        const { job } = await client.unary(client.protocol.job.Submit, {
          spec: { distill: { student: 'model', name: 'mine', data, settings } },
        });
        expect(job?.owner).toBe('train');
        return job?.id ?? '';
      });
      const cancel = (client: AthanorClient) => client.unary(client.protocol.job.Cancel, { jobId });
      await expect(asClient(server, { token: other.token }, cancel)).rejects.toMatchObject({ code: 'permission_denied' });
      await asClient(server, admin!, cancel);
      await expect(
        asClient(server, trainer!, (client) => client.unary(client.protocol.model.Delete, { name: 'model' })),
      ).rejects.toMatchObject({
        code: 'permission_denied',
      });
    });
    const audited = readFileSync(auditLog, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(audited).toContainEqual(expect.objectContaining({ principal: 'train', path: '/athanor.v1.ModelService/Import', outcome: 'OK' }));
    expect(audited).toContainEqual(
      expect.objectContaining({ principal: 'other', path: '/athanor.v1.JobService/Cancel', outcome: 'PERMISSION_DENIED' }),
    );
    expect(audited).toContainEqual(expect.objectContaining({ principal: '', path: '/v1/models', outcome: 'unauthenticated' }));
  });
});

describe.skipIf(whyNoCertificates() !== '')('TLS', () => {
  it('secures gRPC and HTTP, and takes a new certificate without a restart', async () => {
    const folder = temporaryFolder();
    const authority = new TestAuthority(folder);
    const [first, second] = [authority.sign('first'), authority.sign('second')];
    const [certificate, key] = [join(folder, 'live.pem'), join(folder, 'live.key')];
    const install = (files: typeof first): void => {
      copyFileSync(files.certificate, certificate);
      copyFileSync(files.key, key);
    };
    install(first);
    await running({ security: { tlsCert: certificate, tlsKey: key } }, async (server) => {
      const trusting = { tls: { authority: authority.pem } };
      await asClient(server, trusting, list);
      await expect(asClient(server, {}, list)).rejects.toMatchObject({ code: expect.stringMatching(/unavailable|deadline/) });
      await expect(asClient(server, { tls: { authority: new TestAuthority(folder, 'stranger').pem } }, list)).rejects.toMatchObject({
        code: 'unavailable',
      });
      const before = await get(server, '/v1/models', { ca: authority.pem });
      expect(before.status).toBe(200);
      install(second);
      let after = before;
      while (after.serial === before.serial) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        after = await get(server, '/v1/models', { ca: authority.pem });
      }
      expect(after.status).toBe(200);
      await asClient(server, trusting, list);
    });
  });

  it('asks clients for certificates of its authority, which may stand for a principal', async () => {
    const folder = temporaryFolder();
    const authority = new TestAuthority(folder);
    const [own, robot, visitor] = [authority.sign('server'), authority.sign('robot'), authority.sign('visitor')];
    const principals = join(folder, 'principals.json');
    writeFileSync(principals, JSON.stringify({ principals: [{ name: 'robot', role: 'read', certificates: ['robot'] }] }));
    const security = { tlsCert: own.certificate, tlsKey: own.key, tlsClientCa: authority.certificate, principals };
    const showing = (files: typeof own): ClientSecurity => ({
      tls: { authority: authority.pem, certificate: readFileSync(files.certificate), key: readFileSync(files.key) },
    });
    await running({ security }, async (server) => {
      await asClient(server, showing(robot), list);
      await expect(asClient(server, showing(visitor), list)).rejects.toMatchObject({ code: 'unauthenticated' });
      await expect(asClient(server, { tls: { authority: authority.pem } }, list)).rejects.toMatchObject({ code: 'unavailable' });
      const files = { ca: authority.pem, cert: readFileSync(robot.certificate), key: readFileSync(robot.key) };
      expect((await get(server, '/v1/models', files)).status).toBe(200);
      await expect(get(server, '/v1/models', { ca: authority.pem })).rejects.toThrow();
    });
  });
});

describe('metrics', () => {
  it('are for whoever may read, over TLS where the server speaks it', async () => {
    const authority = new TestAuthority(temporaryFolder());
    const { certificate: tlsCert, key: tlsKey } = authority.sign('localhost');
    const [reader, stranger] = [newToken(), newToken()];
    const principals = join(temporaryFolder(), 'principals.json');
    writeFileSync(principals, JSON.stringify({ principals: [{ name: 'prometheus', role: 'read', tokens: [reader.digest] }] }));
    const security = openSecurity({ principals, tlsCert, tlsKey }, ['127.0.0.1:0'], silentLogger);
    const telemetry = await startTelemetry({ metricsAddress: '127.0.0.1:0', door: scrapeDoor(security, silentLogger) });
    try {
      const scrape = (token?: string): Promise<{ status: number; text: string }> =>
        new Promise((resolve, reject) => {
          const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
          request(`https://localhost:${telemetry.metricsPort}/metrics`, { ca: authority.pem, headers }, (response) => {
            let text = '';
            response.on('data', (bytes: Buffer) => {
              text += bytes.toString();
            });
            response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          })
            .on('error', reject)
            .end();
        });
      expect((await scrape(reader.token)).text).toMatch(/^target_info/m);
      expect(await scrape()).toMatchObject({ status: 401, text: expect.stringMatching(/unauthenticated/) });
      expect(await scrape(stranger.token)).toMatchObject({ status: 401 });
    } finally {
      await telemetry.stop();
    }
  });

  it('are not shown to strangers on a public address', () => {
    expect(() => openSecurity({}, ['127.0.0.1:0', '0.0.0.0:9464'], silentLogger)).toThrow(/0\.0\.0\.0:9464: others can reach this address/);
  });
});

describe('a public address', () => {
  const start = (options: Partial<ComposeOptions>) =>
    startServer({ store: temporaryFolder(), address: '0.0.0.0:0', threads: 1, ...options });

  it('is refused without TLS and without knowing who calls, whichever protocol listens there', async () => {
    await expect(start({})).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/TLS.*and --principals.*--allow-insecure/),
    });
    await expect(start({ address: '127.0.0.1:0', httpAddress: '[::]:0' })).rejects.toMatchObject({ code: 'invalid_argument' });
    const principals = join(temporaryFolder(), 'principals.json');
    writeFileSync(principals, '{"principals": []}');
    await expect(start({ security: { principals } })).rejects.toMatchObject({ message: expect.stringContaining('TLS') });
  });

  it('is taken when the caller says that something else keeps strangers out', async () => {
    const server = await start({ security: { allowInsecure: true } });
    await server.stop();
  });
});
