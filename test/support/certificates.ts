// Certificates for tests: an authority, and what it signs. Made by openssl.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Why no certificates can be made here; empty when they can. */
export function whyNoCertificates(): string {
  return spawnSync('openssl', ['version']).status === 0 ? '' : 'openssl is not installed';
}

export class TestAuthority {
  /** PEM file of its own certificate. */
  readonly certificate: string;
  readonly #folder: string;
  readonly #key: string;

  constructor(folder: string, name = 'authority') {
    this.#folder = folder;
    this.certificate = join(folder, `${name}.pem`);
    this.#key = join(folder, `${name}.key`);
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      this.#key,
      '-out',
      this.certificate,
    );
  }

  /** Signs a certificate with a new key, valid for loopback. */
  sign(commonName: string): CertificateFiles {
    const file = (end: string): string => join(this.#folder, `${commonName}.${end}`);
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${commonName}`,
      '-keyout',
      file('key'),
      '-out',
      file('csr'),
    );
    writeFileSync(file('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    openssl(
      'x509',
      '-req',
      '-in',
      file('csr'),
      '-CA',
      this.certificate,
      '-CAkey',
      this.#key,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      file('ext'),
      '-out',
      file('pem'),
    );
    return { certificate: file('pem'), key: file('key') };
  }

  get pem(): Buffer {
    return readFileSync(this.certificate);
  }
}

function openssl(...parameters: readonly string[]): void {
  execFileSync('openssl', parameters, { stdio: 'ignore' });
}
