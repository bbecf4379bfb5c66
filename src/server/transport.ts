// How connections are secured: nothing on loopback, or TLS with certificates that are read again when they change.
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { experimental, ServerCredentials } from '@grpc/grpc-js';
import { AppError, type Logger } from '#base';

/** PEM files. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** Authority of the certificates that clients must show; absent to ask for none. */
  readonly clientAuthority?: string | undefined;
}

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];

/** The files are looked at this often. */
const refreshMs = 1000;

interface FileContent {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly caCertificate: Buffer | undefined;
}

/** What the files hold. Where they cannot be read any more, what they held before stays: grpc-js' own watcher would refuse every connection. */
class WatchedFiles implements experimental.CertificateProvider {
  readonly #files: TlsFiles;
  readonly #logger: Logger;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #content: FileContent;
  readonly #refresh = (): void => {
    try {
      this.#content = this.#read();
      for (const listener of this.#identityListeners) listener(this.#content);
      for (const listener of this.#caListeners) listener(this.#ca());
    } catch (error) {
      this.#logger.error('certificate not read again, the old one holds', { message: AppError.from(error).message });
    }
  };

  constructor(files: TlsFiles, logger: Logger) {
    this.#files = files;
    this.#logger = logger;
    this.#content = this.#read();
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#watch();
    this.#caListeners.add(listener);
    // Whoever adds a listener is ready for it a moment later only.
    process.nextTick(() => listener(this.#ca()));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
    this.#unwatch();
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#watch();
    this.#identityListeners.add(listener);
    process.nextTick(() => listener(this.#content));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
    this.#unwatch();
  }

  #ca(): Parameters<CaListener>[0] {
    const { caCertificate } = this.#content;
    return caCertificate === undefined ? null : { caCertificate };
  }

  #read(): FileContent {
    const { certificate, key, clientAuthority } = this.#files;
    return {
      certificate: readFileSync(certificate),
      privateKey: readFileSync(key),
      caCertificate: clientAuthority === undefined ? undefined : readFileSync(clientAuthority),
    };
  }

  get #paths(): readonly string[] {
    const { certificate, key, clientAuthority } = this.#files;
    return [certificate, key, ...(clientAuthority === undefined ? [] : [clientAuthority])];
  }

  get #isWatched(): boolean {
    return this.#caListeners.size + this.#identityListeners.size > 0;
  }

  #watch(): void {
    if (!this.#isWatched) for (const path of this.#paths) watchFile(path, { interval: refreshMs, persistent: false }, this.#refresh);
  }

  #unwatch(): void {
    if (!this.#isWatched) for (const path of this.#paths) unwatchFile(path, this.#refresh);
  }
}

/** @throws AppError `file_not_found` */
export function serverCredentials(tls: TlsFiles | undefined, logger: Logger): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const files = new WatchedFiles(tls, logger);
  const wantsClients = tls.clientAuthority !== undefined;
  // The first is asked for the server's own certificate, the second for the authority of the clients', whatever their types say.
  return experimental.createCertificateProviderServerCredentials(files, wantsClients ? files : null, wantsClients);
}
