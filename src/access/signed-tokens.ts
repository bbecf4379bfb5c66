// JSON Web Tokens that somebody else signs, checked against a file of their public keys.
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import { AppError } from '#base';
import { type Principal, type Role, roles } from './role.ts';

export interface SignedTokenOptions {
  /** File with a JSON Web Key Set. */
  readonly jwksPath: string;
  /** `iss` that tokens must have; absent to take any. */
  readonly issuer?: string | undefined;
  /** `aud` that tokens must have. */
  readonly audience: string;
  /** Claim that holds the role. @default 'athanor_role' */
  readonly roleClaim?: string | undefined;
}

/** Signatures that a token may have; none of them is made with a shared secret, and `none` is none of them. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

export class SignedTokens {
  readonly #options: SignedTokenOptions;
  readonly #keys: ReturnType<typeof createLocalJWKSet>;

  /** @throws AppError `bad_config` | `file_not_found` */
  constructor(options: SignedTokenOptions) {
    this.#options = options;
    try {
      this.#keys = createLocalJWKSet(JSON.parse(readFileSync(options.jwksPath, 'utf8')) as JSONWebKeySet);
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof errors.JOSEError)
        throw new AppError('bad_config', `${options.jwksPath}: holds no JSON Web Key Set: ${error.message}.`, { cause: error });
      throw AppError.from(error);
    }
  }

  /** @throws AppError `unauthenticated` for a token that is not whole, too old, for others, or without a role */
  async principal(token: string): Promise<Principal> {
    const { issuer, audience, roleClaim = 'athanor_role' } = this.#options;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        audience,
        algorithms,
        requiredClaims: ['exp', 'sub'],
        ...(issuer === undefined ? {} : { issuer }),
      });
      const role = roles.find((each): each is Role => each === payload[roleClaim]);
      if (role === undefined)
        throw new AppError('unauthenticated', `the token has no claim "${roleClaim}" with one of ${roles.join(', ')}.`);
      return { name: payload.sub ?? '', role };
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError('unauthenticated', `the token is not valid: ${error instanceof errors.JOSEError ? error.message : 'unreadable'}.`);
    }
  }
}
