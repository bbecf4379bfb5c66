// Who may call what: roles, tokens, certificates, signed tokens, limits, and the record of it.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { AccessGuard, AuditLog, type Credentials, mayManage, needOfCall, newToken, PrincipalsFile, roles, SignedTokens } from '#access';
import { silentLogger } from '#base';
import { temporaryFolder } from '#test/temporary';
import { CallLimits } from '../../../src/access/limits.ts';
import { needOfRequest } from '../../../src/access/permissions.ts';
import { protocol } from '../../../src/server/protocol.ts';

const bearer = (token: string): Credentials => ({ authorization: `Bearer ${token}`, certificate: undefined, address: '10.0.0.7' });
const list = '/athanor.v1.ModelService/List';
const remove = '/athanor.v1.ModelService/Delete';
const generate = '/athanor.v1.InferenceService/Generate';
const submit = '/athanor.v1.JobService/Submit';

function principalsFile(principals: readonly object[], folder = temporaryFolder()): string {
  const path = join(folder, 'principals.json');
  writeFileSync(path, JSON.stringify({ principals }));
  return path;
}

function guardFor(principals: readonly object[], rest: object = {}): AccessGuard {
  return new AccessGuard({ principals: new PrincipalsFile(principalsFile(principals), silentLogger), ...rest });
}

describe('permissions', () => {
  it('says of every call of every shipped service who may make it', () => {
    const paths = Object.values(protocol()).flatMap((service) =>
      Object.values(service as object).map(({ path }: { path: string }) => path),
    );
    expect(paths.length).toBeGreaterThan(50);
    expect(paths.filter((path) => needOfCall(path) === undefined)).toEqual([]);
  });

  it('knows the paths of HTTP with and without a model in front, and nothing else', () => {
    expect(needOfRequest('/v1/completions?x=1')).toBe('infer');
    expect(needOfRequest('/models/half/v1/completions/')).toBe('infer');
    expect(needOfRequest('/v1/models/half')).toBe('read');
    expect(needOfRequest('/health')).toBe('open');
    for (const path of ['/', '', '/v1', '/v1/models/a/b', '/v1/completions/x', '//health', '/admin'])
      expect(needOfRequest(path)).toBeUndefined();
  });
});

describe('roles', () => {
  it('may do what those before them may, and no more', async () => {
    const calls = [list, generate, submit, remove];
    const tokens = roles.map((role) => ({ role, ...newToken() }));
    const guard = guardFor(tokens.map(({ role, digest }) => ({ name: role, role, tokens: [digest] })));
    for (const [index, { role, token }] of tokens.entries())
      for (const [place, call] of calls.entries()) {
        const entering = guard.enterCall(call, bearer(token));
        if (place <= index) expect((await entering).principal?.name).toBe(role);
        else await expect(entering).rejects.toMatchObject({ code: 'permission_denied', details: { role } });
      }
    const admin = tokens.at(-1)?.token ?? '';
    await expect(guard.enterCall('/athanor.v1.ModelService/Burn', bearer(admin))).rejects.toMatchObject({ code: 'permission_denied' });
  });

  it('manage their own jobs, admins those of all, and everybody where nobody is asked for', () => {
    expect(mayManage({ name: 'anna', role: 'train' }, 'anna')).toBe(true);
    expect(mayManage({ name: 'anna', role: 'train' }, 'ben')).toBe(false);
    expect(mayManage({ name: 'anna', role: 'admin' }, 'ben')).toBe(true);
    expect(mayManage(undefined, 'ben')).toBe(true);
  });
});

describe('tokens and certificates', () => {
  it('recognize their principals, and nobody else', async () => {
    const { token, digest } = newToken();
    const guard = guardFor([
      { name: 'anna', role: 'read', tokens: [digest] },
      { name: 'robot', role: 'read', certificates: ['robot.example'] },
    ]);
    const { authorization: _, ...none } = bearer('');
    const withCertificate = (certificate: string): Credentials => ({ ...none, authorization: undefined, certificate });
    expect((await guard.enterCall(list, bearer(token))).principal?.name).toBe('anna');
    expect((await guard.enterCall(list, withCertificate('robot.example'))).principal?.name).toBe('robot');
    const strangers = [
      bearer(`${token}x`),
      bearer(digest),
      bearer(''),
      withCertificate('other'),
      { ...none, authorization: undefined },
      { ...none, authorization: `Basic ${token}` },
    ];
    for (const stranger of strangers) await expect(guard.enterCall(list, stranger)).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(guard.enterCall('/grpc.health.v1.Health/Check', { ...none, authorization: undefined })).resolves.toMatchObject({
      principal: undefined,
    });
  });

  it('are read again when the file changes, and the old ones hold while it is broken', () => {
    const [old, young] = [newToken(), newToken()];
    const folder = temporaryFolder();
    const path = principalsFile([{ name: 'anna', role: 'read', tokens: [old.digest] }], folder);
    let nowMs = 0;
    const file = new PrincipalsFile(path, silentLogger, () => nowMs);
    expect(file.byToken(old.token)?.name).toBe('anna');
    principalsFile([{ name: 'anna', role: 'admin', tokens: [young.digest] }], folder);
    utimesSync(path, 1, 1);
    nowMs += 2000;
    expect(file.byToken(old.token)).toBeUndefined();
    expect(file.byToken(young.token)?.role).toBe('admin');
    writeFileSync(path, '{');
    nowMs += 2000;
    expect(file.byToken(young.token)?.role).toBe('admin');
  });

  it.each([
    ['{', /is not JSON/],
    ['{"principals": [{"name": "a", "role": "king"}]}', /principals\.0\.role/],
    ['{"principals": [{"name": "a", "role": "read", "tokens": ["secret"]}]}', /SHA-256/],
    ['{"principals": [{"name": "a", "role": "read"}, {"name": "a", "role": "admin"}]}', /belongs to "a" already/],
    ['{"principals": [], "extra": 1}', /extra/],
  ])('refuse the file %s by name', (text, message) => {
    const path = join(temporaryFolder(), 'principals.json');
    writeFileSync(path, text);
    expect(() => new PrincipalsFile(path, silentLogger)).toThrow(message);
  });
});

describe('signed tokens', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sign = (claims: Record<string, unknown>, key = privateKey, expires = '5m'): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject('anna')
      .setAudience('athanor')
      .setIssuer('door')
      .setExpirationTime(expires)
      .sign(key);

  async function guard(): Promise<AccessGuard> {
    const jwksPath = join(temporaryFolder(), 'keys.json');
    writeFileSync(jwksPath, JSON.stringify({ keys: [await exportJWK(publicKey)] }));
    return new AccessGuard({ signedTokens: new SignedTokens({ jwksPath, audience: 'athanor', issuer: 'door' }) });
  }

  it('are taken when they are whole, in time, for us, and name a role', async () => {
    const door = await guard();
    const { principal } = await door.enterCall(generate, bearer(await sign({ athanor_role: 'infer' })));
    expect(principal).toMatchObject({ name: 'anna', role: 'infer' });
    await expect(door.enterCall(submit, bearer(await sign({ athanor_role: 'infer' })))).rejects.toMatchObject({
      code: 'permission_denied',
    });
  });

  it('are refused otherwise', async () => {
    const door = await guard();
    const good = await sign({ athanor_role: 'admin' });
    const [head, body, signature] = good.split('.');
    const stronger = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body ?? '', 'base64url').toString()), sub: 'root' })).toString(
      'base64url',
    );
    const unsigned = new UnsecuredJWT({ athanor_role: 'admin' })
      .setSubject('anna')
      .setAudience('athanor')
      .setIssuer('door')
      .setExpirationTime('5m')
      .encode();
    const fake = [
      await sign({ athanor_role: 'admin' }, other.privateKey),
      await sign({ athanor_role: 'admin' }, privateKey, '-1m'),
      await sign({ athanor_role: 'king' }),
      await sign({}),
      `${head}.${stronger}.${signature}`,
      unsigned,
      await new SignJWT({ athanor_role: 'admin' })
        .setProtectedHeader({ alg: 'ES256' })
        .setSubject('anna')
        .setAudience('elsewhere')
        .setIssuer('door')
        .setExpirationTime('5m')
        .sign(privateKey),
      await new SignJWT({ athanor_role: 'admin' })
        .setProtectedHeader({ alg: 'ES256' })
        .setSubject('anna')
        .setAudience('athanor')
        .setIssuer('door')
        .sign(privateKey),
      'a.b.c',
    ];
    for (const token of fake) await expect(door.enterCall(list, bearer(token))).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('limits', () => {
  it('let in so many calls a minute, more with time, and so many at once', () => {
    let nowMs = 0;
    const limits = new CallLimits(() => nowMs);
    const often = { name: 'anna', role: 'read', callsPerMinute: 3 } as const;
    for (let call = 0; call < 3; call++) limits.enter(often)();
    expect(() => limits.enter(often)).toThrow(
      expect.objectContaining({ code: 'rate_limited', details: expect.objectContaining({ retryAfterMs: 20_000 }) }),
    );
    nowMs += 20_000;
    limits.enter(often)();
    expect(() => limits.enter(often)).toThrow(/rate_limited/);
    const narrow = { name: 'ben', role: 'read', callsAtOnce: 2 } as const;
    const leave = limits.enter(narrow);
    limits.enter(narrow);
    expect(() => limits.enter(narrow)).toThrow(/overloaded/);
    leave();
    leave();
    limits.enter(narrow);
    expect(() => limits.enter(narrow)).toThrow(/overloaded/);
  });
});

describe('the audit log', () => {
  it('has a line for each call that changes something or is refused, and holds no token', async () => {
    const path = join(temporaryFolder(), 'deep', 'audit.jsonl');
    const { token, digest } = newToken();
    const guard = guardFor([{ name: 'anna', role: 'train', tokens: [digest] }], { audit: new AuditLog(path, silentLogger) });
    (await guard.enterCall(submit, bearer(token))).leave('OK');
    (await guard.enterCall(list, bearer(token))).leave('OK');
    await guard.enterCall(remove, bearer(token)).catch(() => {});
    await guard.enterCall(remove, bearer('stranger')).catch(() => {});
    const text = readFileSync(path, 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(lines.map(({ time: _, ...rest }) => rest)).toEqual([
      { principal: 'anna', path: submit, address: '10.0.0.7', outcome: 'OK' },
      { principal: 'anna', path: remove, address: '10.0.0.7', outcome: 'permission_denied' },
      { principal: '', path: remove, address: '10.0.0.7', outcome: 'unauthenticated' },
    ]);
    expect(text).not.toContain(token);
    expect(text).not.toContain('stranger');
  });
});
