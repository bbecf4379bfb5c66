// A TensorFlow for tests: the one that ATHANOR_TENSORFLOW names, or one that is linked once and kept in the system's temporary folder.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export type LinkedTensorflow = { readonly folder: string } | { readonly missing: string };

export const linkScript = resolve(import.meta.dirname, '../../deploy/link-tensorflow');

/** Downloading 274 MB and compiling takes under a minute; a machine that needs much longer has no network. */
export const linkTimeoutMs = 240_000;

/** The folder for ATHANOR_TENSORFLOW, or why there is none. */
export async function linkedTensorflow(): Promise<LinkedTensorflow> {
  const named = process.env['ATHANOR_TENSORFLOW'];
  if (named !== undefined && named !== '') return { folder: named };
  // Another script links something else.
  const key = createHash('sha256').update(readFileSync(linkScript)).digest('hex').slice(0, 16);
  const home = join(tmpdir(), 'athanor-test-tensorflow');
  const folder = join(home, key);
  const lock = `${folder}.lock`;
  const failed = `${folder}.failed`;
  mkdirSync(home, { recursive: true });
  // Test files run side by side: one links, the others wait. What failed is not tried again by each of them.
  while (!existsSync(folder) && !isYoung(failed) && !takeLock(lock)) await sleep(200);
  if (existsSync(folder)) return { folder };
  if (isYoung(failed)) return { missing: readFileSync(failed, 'utf8') };
  try {
    await promisify(execFile)(linkScript, [folder], { timeout: linkTimeoutMs, maxBuffer: 2 ** 24 });
    return { folder };
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    const missing = `TensorFlow cannot be linked: ${said.split('\n').slice(0, 3).join(' ').slice(0, 300)}`;
    writeFileSync(failed, missing);
    return { missing };
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function isYoung(path: string): boolean {
  if (!existsSync(path)) return false;
  if (Date.now() - statSync(path).mtimeMs < 2 * linkTimeoutMs) return true;
  rmSync(path, { recursive: true, force: true });
  return false;
}

/** Whether the folder is ours now. One that is older than any linking was left by a process that ended. */
function takeLock(lock: string): boolean {
  try {
    if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 2 * linkTimeoutMs) rmSync(lock, { recursive: true, force: true });
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}
