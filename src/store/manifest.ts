// The files of an artefact and their digests; the hash of this list is the artefact's address.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError, throwIfCancelled } from '#base';
import { badArtefact } from './artefact.ts';
import type { FileDigest } from './folder-writer.ts';
import { canonicalJson, checkJson, readJsonFile } from './json.ts';

const manifestName = 'manifest.json';

/** Digest by file name; the manifest itself is not in it. */
export type Manifest = ReadonlyMap<string, FileDigest>;

const schema = z.object({
  files: z.record(z.string(), z.object({ sizeBytes: z.int().nonnegative(), sha256: z.string() })),
});

/** The artefact's address: SHA-256 of the canonical list of names, sizes and digests. */
export function manifestHash(files: Manifest): string {
  const list = Object.fromEntries([...files].map(([name, { sizeBytes, sha256 }]) => [name, { sizeBytes, sha256 }]));
  return createHash('sha256').update(canonicalJson(list)).digest('hex');
}

/** Name and content of the file that holds a manifest. */
export function manifestFile(files: Manifest): { readonly name: string; readonly json: object } {
  return { name: manifestName, json: { files: Object.fromEntries(files) } };
}

export function manifestBytes(files: Manifest): number {
  return [...files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/**
 * Reads the manifest of an artefact and checks that it is the one of this address.
 *
 * @throws AppError `bad_artefact`
 */
export async function readManifest(folder: string, hash: string): Promise<Manifest> {
  const where = `artefact ${hash}`;
  const json = await readJsonFile(join(folder, manifestName), 'bad_artefact').catch((thrown: unknown) => {
    if (thrown instanceof AppError && thrown.code === 'file_not_found') throw badArtefact(`${where}: ${manifestName} is missing`);
    throw thrown;
  });
  const { files } = checkJson(schema, json, 'bad_artefact', `${where}: ${manifestName}`);
  const manifest: Manifest = new Map(Object.entries(files));
  const found = manifestHash(manifest);
  if (found !== hash) throw badArtefact(`${where}: ${manifestName} has the hash ${found}; it was changed`);
  return manifest;
}

/**
 * Checks every file of an artefact against its manifest.
 *
 * @throws AppError `bad_artefact` naming the file, both sizes or both digests; `cancelled`
 */
export async function verifyFiles(folder: string, hash: string, signal: AbortSignal): Promise<Manifest> {
  const manifest = await readManifest(folder, hash);
  for (const [name, expected] of manifest) {
    const found = await digestOf(join(folder, name), signal);
    const where = `artefact ${hash}: ${name}`;
    if (found === undefined) throw badArtefact(`${where} is missing`);
    if (found.sizeBytes !== expected.sizeBytes) throw badArtefact(`${where} has ${found.sizeBytes} bytes instead of ${expected.sizeBytes}`);
    if (found.sha256 !== expected.sha256) throw badArtefact(`${where} has the SHA-256 ${found.sha256} instead of ${expected.sha256}`);
  }
  return manifest;
}

/** Size and SHA-256 of a file, read in pieces; undefined when there is none. @throws AppError `cancelled` */
export async function digestOf(path: string, signal?: AbortSignal): Promise<FileDigest | undefined> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      if (signal !== undefined) throwIfCancelled(signal);
      const bytes = chunk as Uint8Array;
      hash.update(bytes);
      sizeBytes += bytes.byteLength;
    }
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code === 'file_not_found') return undefined;
    throw error;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}
