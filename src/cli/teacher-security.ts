// What this server shows to the servers of teachers, and what it trusts of them: from its environment, never from a job.
import { readFileSync } from 'node:fs';
import { AppError } from '#base';
import type { ClientSecurity } from '#server';

/**
 * `ATHANOR_TEACHER_TOKENS`: `host:port=token`, several with spaces between them; a token goes to its own server alone, since jobs may name any.
 * `ATHANOR_TEACHER_CA`: speak TLS and trust this authority (PEM file), or those of the system where it is `system`.
 *
 * @throws AppError `invalid_argument` for an entry without a server
 */
export function teacherSecurity(environment: Readonly<Record<string, string | undefined>>): (target: string) => ClientSecurity {
  const { ATHANOR_TEACHER_TOKENS: listed = '', ATHANOR_TEACHER_CA: authority } = environment;
  const tokens = new Map(
    listed
      .split(/\s+/)
      .filter((entry) => entry !== '')
      .map((entry, index): [string, string] => {
        const [, target, token] = /^([^=]+:\d+)=(.+)$/.exec(entry) ?? [];
        if (target !== undefined && token !== undefined) return [target, token];
        throw new AppError('invalid_argument', `ATHANOR_TEACHER_TOKENS: entry ${index + 1} is not "host:port=token".`);
      }),
  );
  const tls = authority === undefined ? undefined : authority === 'system' ? {} : { authority: readFileSync(authority) };
  return (target) => ({ token: tokens.get(target), tls });
}
