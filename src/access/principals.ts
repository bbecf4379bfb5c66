// The file of those who may call: names, roles, limits, and what proves who they are. Tokens stand in it as digests only.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { AppError, type Logger } from '#base';
import { type Principal, roles } from './role.ts';

const principalSchema = z.strictObject({
  name: z.string().min(1).max(128),
  role: z.enum(roles),
  /** SHA-256 of each token, hexadecimal. */
  tokens: z.array(z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of a token, 64 hexadecimal digits')).default([]),
  /** Common names of client certificates. */
  certificates: z.array(z.string().min(1)).default([]),
  callsPerMinute: z.int().positive().optional(),
  callsAtOnce: z.int().positive().optional(),
});

const fileSchema = z.strictObject({ principals: z.array(principalSchema) });

interface Known {
  readonly byToken: ReadonlyMap<string, Principal>;
  readonly byCertificate: ReadonlyMap<string, Principal>;
  readonly byName: ReadonlyMap<string, Principal>;
}

/** The file is looked at this often at most. */
const lookEveryMs = 1000;

/** A token that nobody can guess, for the caller to keep, and the digest of it for the file. */
export function newToken(): { readonly token: string; readonly digest: string } {
  const token = `athanor_${randomBytes(32).toString('base64url')}`;
  return { token, digest: digestOfToken(token) };
}

/** Tokens are long and random, so that a fast digest is enough and looking one up tells nothing by its time. */
function digestOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Reads the file again when it has changed. A change that cannot be read leaves what was known before. */
export class PrincipalsFile {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  #known: Known;
  #version: string;
  #lookedMs: number;

  /** @throws AppError `bad_config` naming the field | `file_not_found` */
  constructor(path: string, logger: Logger, nowMs: () => number = () => performance.now()) {
    this.#path = path;
    this.#logger = logger;
    this.#nowMs = nowMs;
    this.#version = versionOf(path);
    this.#known = read(path);
    this.#lookedMs = nowMs();
  }

  byToken(token: string): Principal | undefined {
    return this.#current().byToken.get(digestOfToken(token));
  }

  byCertificate(commonName: string): Principal | undefined {
    return this.#current().byCertificate.get(commonName);
  }

  byName(name: string): Principal | undefined {
    return this.#current().byName.get(name);
  }

  #current(): Known {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lookedMs < lookEveryMs) return this.#known;
    this.#lookedMs = nowMs;
    try {
      const version = versionOf(this.#path);
      if (version === this.#version) return this.#known;
      this.#version = version;
      this.#known = read(this.#path);
      this.#logger.info('principals read again', { principals: this.#known.byName.size });
    } catch (error) {
      this.#logger.error('principals not read again, the old ones hold', { message: AppError.from(error).message });
    }
    return this.#known;
  }
}

function versionOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    throw AppError.from(error);
  }
}

function read(path: string): Known {
  const fail = (problem: string): AppError => new AppError('bad_config', `${path}: ${problem}.`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw fail(`is not JSON: ${error.message}`);
    throw AppError.from(error);
  }
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw fail(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}`);
  }
  const [byToken, byCertificate, byName] = [new Map<string, Principal>(), new Map<string, Principal>(), new Map<string, Principal>()];
  for (const { tokens, certificates, ...principal } of parsed.data.principals) {
    const add = (map: Map<string, Principal>, key: string, what: string): void => {
      if (map.has(key)) throw fail(`${what} of "${principal.name}" belongs to "${map.get(key)?.name}" already`);
      map.set(key, principal);
    };
    add(byName, principal.name, 'the name');
    for (const token of tokens) add(byToken, token, 'a token');
    for (const name of certificates) add(byCertificate, name, 'a certificate');
  }
  return { byToken, byCertificate, byName };
}
