// Teachers on a server that speaks TLS and asks who calls: what the student's server shows comes from its environment, and goes to that server alone.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newToken } from '#access';
import { AthanorClient } from '#server';
import { TestAuthority, whyNoCertificates } from '#test/certificates';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';
import { teacherSecurity } from '../../src/cli/teacher-security.ts';

const stories = fileURLToPath(new URL('../fixtures/models/stories260K', import.meta.url));
const data = { inlineText: readFileSync(fileURLToPath(new URL('../fixtures/text/distill.txt', import.meta.url))).subarray(0, 4000) };

describe.skipIf(whyNoCertificates() !== '')('a secured teacher', () => {
  const folder = temporaryFolderForSuite();
  const { token, digest } = newToken();
  let authority: TestAuthority;
  let teachers: RunningServer;
  let address = '';

  beforeAll(async () => {
    authority = new TestAuthority(folder);
    const { certificate: tlsCert, key: tlsKey } = authority.sign('localhost');
    const principals = join(folder, 'principals.json');
    writeFileSync(principals, JSON.stringify({ principals: [{ name: 'student', role: 'admin', tokens: [digest] }] }));
    const options = { store: join(folder, 'teachers'), address: '127.0.0.1:0', threads: 1, dataFolders: [stories] };
    teachers = await startServer({ ...options, security: { tlsCert, tlsKey, principals } });
    address = `localhost:${teachers.server.port}`;
    const owner = new AthanorClient(address, { token, tls: { authority: authority.pem } });
    await owner.unary(owner.protocol.model.Import, { name: 'teacher', path: stories });
    owner.close();
  });

  afterAll(() => teachers.stop());

  /** What comes of a distillation on a server with this environment: the model's hash, or the code of the error. */
  async function taught(environment: Readonly<Record<string, string>>): Promise<string> {
    const server = await startServeProcess(temporaryFolder(), [], environment);
    const client = new AthanorClient(server.target);
    try {
      await client.unary(client.protocol.model.Import, { name: 'student', path: stories });
      const settings = { steps: 2, batchSize: 2, sequenceLength: 32 };
      const spec = { student: 'student', teacher: `athanor://${address}/teacher`, name: 'taught', data, settings };
      for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec })) {
        if (event?.error) return event.error.code;
        if (event?.result?.distill?.model) return event.result.distill.model.hash;
      }
      return '';
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      client.close();
      await server.end('SIGTERM');
    }
  }

  it('teaches who shows a token and trusts its authority, in the process of the job too', async () => {
    const environment = { ATHANOR_TEACHER_TOKENS: `${address}=${token}`, ATHANOR_TEACHER_CA: authority.certificate };
    expect(await taught(environment)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('teaches nobody without a token, or with that of another server', async () => {
    const environment = { ATHANOR_TEACHER_CA: authority.certificate };
    expect(await taught(environment)).toBe('unauthenticated');
    expect(await taught({ ...environment, ATHANOR_TEACHER_TOKENS: `localhost:1=${token}` })).toBe('unauthenticated');
  });

  it('is not believed by who does not trust its authority', async () => {
    expect(await taught({ ATHANOR_TEACHER_TOKENS: `${address}=${token}`, ATHANOR_TEACHER_CA: 'system' })).toBe('teacher_unavailable');
  });
});

it('tokens of teachers are refused where they name no server', () => {
  expect(() => teacherSecurity({ ATHANOR_TEACHER_TOKENS: 'host:1=good secret' })).toThrow(
    /invalid_argument.*entry 2 is not "host:port=token"/,
  );
  expect(teacherSecurity({ ATHANOR_TEACHER_TOKENS: ' host:1=good\nother:2=better ' })('other:2')).toEqual({
    token: 'better',
    tls: undefined,
  });
});
