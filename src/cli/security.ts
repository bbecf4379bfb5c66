// How a server is secured: TLS files, the file of those who may call, and the rule that a public address needs both.
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { resolve } from 'node:path';
import { AccessGuard, AuditLog, PrincipalsFile, SignedTokens } from '#access';
import { AppError, type Logger, parseAddress } from '#base';
import { credentialsOf } from '#http';
import type { TlsFiles } from '#server';
import type { ScrapeDoor } from '#telemetry';

export interface SecurityOptions {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly principals?: string;
  readonly jwks?: string;
  readonly jwtAudience?: string;
  readonly jwtIssuer?: string;
  readonly jwtRoleClaim?: string;
  readonly auditLog?: string;
  readonly allowInsecure?: boolean;
}

export interface Security {
  readonly tls: TlsFiles | undefined;
  readonly guard: AccessGuard | undefined;
}

/** The files of TLS are looked at this often. */
const refreshMs = 1000;

/**
 * Reads what the options name.
 *
 * @param addresses - `host:port` of everything that takes calls
 * @throws AppError `invalid_argument` for options that belong together, for what is no address, and for a public address without TLS or without knowing who calls |
 * `bad_config` | `file_not_found`
 */
export function openSecurity(options: SecurityOptions, addresses: readonly string[], logger: Logger): Security {
  const malformed = addresses.find((address) => !isSocketFile(address) && parseAddress(address) === undefined);
  if (malformed !== undefined)
    throw new AppError('invalid_argument', `address "${malformed}": must be host:port.`, { details: { field: 'listen' } });
  const tls = tlsFiles(options);
  const guard = openGuard(options, logger);
  const open = addresses.filter((address) => !isLoopback(address));
  const missing = [
    ...(tls === undefined ? ['TLS (--tls-cert, --tls-key)'] : []),
    ...(guard === undefined ? ['--principals or --jwks'] : []),
  ];
  if (open.length > 0 && missing.length > 0 && options.allowInsecure !== true)
    throw new AppError(
      'invalid_argument',
      `${open.join(', ')}: others can reach this address, and ${missing.join(' and ')} is not set: anybody could use, change and delete models. Set it, listen on 127.0.0.1, or say --allow-insecure if something else keeps strangers out.`,
      { details: { field: 'listen' } },
    );
  return { tls, guard };
}

function tlsFiles({ tlsCert, tlsKey, tlsClientCa }: SecurityOptions): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new AppError('invalid_argument', 'TLS: --tls-cert and --tls-key belong together.', { details: { field: 'tlsCert' } });
  for (const path of [tlsCert, tlsKey, tlsClientCa]) if (path !== undefined) readable(path);
  return { certificate: tlsCert, key: tlsKey, clientAuthority: tlsClientCa };
}

function openGuard(options: SecurityOptions, logger: Logger): AccessGuard | undefined {
  const { principals, jwks, jwtAudience, jwtIssuer, jwtRoleClaim, auditLog } = options;
  if (jwks !== undefined && jwtAudience === undefined)
    throw new AppError(
      'invalid_argument',
      '--jwks: say with --jwt-audience for whom the tokens must be, or those of other services would do.',
      {
        details: { field: 'jwtAudience' },
      },
    );
  if (principals === undefined && jwks === undefined) return undefined;
  return new AccessGuard({
    principals: principals === undefined ? undefined : new PrincipalsFile(resolve(principals), logger),
    signedTokens:
      jwks === undefined || jwtAudience === undefined
        ? undefined
        : new SignedTokens({ jwksPath: resolve(jwks), audience: jwtAudience, issuer: jwtIssuer, roleClaim: jwtRoleClaim }),
    audit: auditLog === undefined ? undefined : new AuditLog(resolve(auditLog), logger),
    logger,
  });
}

/** Who may scrape metrics: whoever may read. */
export function scrapeDoor({ tls, guard }: Security, logger: Logger): ScrapeDoor {
  return {
    ...(tls === undefined ? {} : { secureServer: secureServer(tls, logger) }),
    ...(guard === undefined
      ? {}
      : {
          admit: async (request) => {
            const { leave } = await guard.enterRequest('/metrics', credentialsOf(request));
            leave('OK');
          },
        }),
  };
}

/** A server that speaks TLS with the certificate that the files hold now. */
export function secureServer({ certificate, key, clientAuthority }: TlsFiles, logger: Logger): (listener: RequestListener) => Server {
  const read = (): ServerOptions => ({
    cert: readFileSync(certificate),
    key: readFileSync(key),
    ...(clientAuthority === undefined ? {} : { ca: readFileSync(clientAuthority) }),
  });
  return (listener) => {
    const wantsClients = clientAuthority !== undefined;
    const server = createServer({ ...read(), requestCert: wantsClients, rejectUnauthorized: wantsClients }, listener);
    const refresh = (): void => {
      try {
        server.setSecureContext(read());
      } catch (error) {
        logger.error('certificate not read again, the old one holds', { message: AppError.from(error).message });
      }
    };
    const watched = [certificate, key, ...(clientAuthority === undefined ? [] : [clientAuthority])];
    for (const path of watched) watchFile(path, { interval: refreshMs, persistent: false }, refresh);
    server.on('close', () => {
      for (const path of watched) unwatchFile(path, refresh);
    });
    return server;
  };
}

function readable(path: string): void {
  try {
    readFileSync(path);
  } catch (error) {
    throw AppError.from(error);
  }
}

/** Whether only this machine reaches the address. */
function isLoopback(address: string): boolean {
  const { host = '' } = parseAddress(address) ?? {};
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host) || isSocketFile(address);
}

function isSocketFile(address: string): boolean {
  return /^unix:./.test(address);
}
