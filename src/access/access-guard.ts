// The door of the server: who calls, whether they may, and how often. Every call of every protocol goes through it.
import { AppError, type Logger, silentLogger } from '#base';
import type { AuditLog } from './audit-log.ts';
import { CallLimits } from './limits.ts';
import { needOfCall, needOfRequest } from './permissions.ts';
import type { PrincipalsFile } from './principals.ts';
import { mayAct, type Need, type Principal, requireRole } from './role.ts';
import type { SignedTokens } from './signed-tokens.ts';

export interface AccessGuardOptions {
  readonly principals?: PrincipalsFile | undefined;
  readonly signedTokens?: SignedTokens | undefined;
  readonly audit?: AuditLog | undefined;
  readonly limits?: CallLimits;
  readonly logger?: Logger;
}

/** What a call shows of itself. */
export interface Credentials {
  /** The header `authorization`, as it came. */
  readonly authorization: string | undefined;
  /** Common name of the client's certificate, where the connection has proved it. */
  readonly certificate: string | undefined;
  /** Address that it comes from; empty where there is none. */
  readonly address: string;
}

/** A call that was let in. */
export interface Admission {
  /** Undefined for calls that need nobody. */
  readonly principal: Principal | undefined;
  /** Says how it ended, once. */
  leave(outcome: string): void;
}

export class AccessGuard {
  readonly #options: AccessGuardOptions;
  readonly #limits: CallLimits;
  readonly #logger: Logger;

  constructor(options: AccessGuardOptions) {
    this.#options = options;
    this.#limits = options.limits ?? new CallLimits();
    this.#logger = options.logger ?? silentLogger;
  }

  /** @throws AppError `unauthenticated` | `permission_denied` | `rate_limited` | `overloaded` */
  enterCall(path: string, credentials: Credentials): Promise<Admission> {
    return this.#enter(path, needOfCall(path), credentials);
  }

  /** @throws as `enterCall` */
  enterRequest(url: string, credentials: Credentials): Promise<Admission> {
    return this.#enter(url.slice(0, 200), needOfRequest(url), credentials);
  }

  async #enter(path: string, need: Need | undefined, credentials: Credentials): Promise<Admission> {
    if (need === 'open') return { principal: undefined, leave: () => {} };
    const { address } = credentials;
    let name = '';
    try {
      const principal = await this.#principal(credentials);
      name = principal.name;
      if (need === undefined) throw new AppError('permission_denied', `${path}: nobody may call this.`);
      requireRole(principal, need, path);
      const leave = this.#limits.enter(principal);
      const isNoted = need === 'train' || need === 'admin';
      return {
        principal,
        leave: (outcome) => {
          leave();
          if (isNoted) this.#options.audit?.write({ principal: name, path, address, outcome });
        },
      };
    } catch (error) {
      const { code } = AppError.from(error);
      this.#options.audit?.write({ principal: name, path, address, outcome: code });
      this.#logger.warn('call refused', { path, code, ...(name === '' ? {} : { principal: name }) });
      throw error;
    }
  }

  async #principal({ authorization, certificate }: Credentials): Promise<Principal> {
    const { principals, signedTokens } = this.#options;
    const [, token] = /^Bearer\s+(\S+)$/i.exec(authorization ?? '') ?? [];
    if (token !== undefined) {
      const known = principals?.byToken(token);
      if (known !== undefined) return known;
      if (signedTokens === undefined || token.split('.').length !== 3)
        throw new AppError('unauthenticated', 'the token is not known here.');
      const signed = await signedTokens.principal(token);
      // Limits of the file hold for whoever it names, however they prove it; the role is the token's.
      return { ...principals?.byName(signed.name), ...signed };
    }
    const proved = certificate === undefined ? undefined : principals?.byCertificate(certificate);
    if (proved !== undefined) return proved;
    throw new AppError('unauthenticated', 'this server wants to know who calls: send a token or a client certificate that it knows.');
  }
}

/** Whether a caller may manage what another one owns. */
export function mayManage(principal: Principal | undefined, owner: string): boolean {
  return principal === undefined || principal.name === owner || mayAct(principal, 'admin');
}
