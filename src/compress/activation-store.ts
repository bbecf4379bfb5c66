// Where steps keep what a frozen model answers to each example, so that it runs once.

/** Bytes by key. What is read equals what was written, or is not there. */
export interface ActivationStore {
  /** Keys that are there. */
  readonly size: number;
  /** Undefined for a key that is not there. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** Whether there was room; a key that is there already stays as it is. */
  write(key: string, bytes: Uint8Array): Promise<boolean>;
  close(): Promise<void>;
}

export interface ActivationStoreOptions {
  /** Of everything that decides the bytes; what was kept for another is dropped. */
  readonly fingerprint: string;
  /** Room for all bytes. */
  readonly limitBytes: number;
}
