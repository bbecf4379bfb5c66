// Lock files that say which process holds them, so that those of a killed process do not hold for ever.
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { z } from 'zod';

export interface FileLock {
  release(): Promise<void>;
}

const schema = z.object({ processId: z.int(), token: z.string() });

/** Tokens of the locks that this process holds; another token under our process id is of an earlier process. */
const heldTokens = new Set<string>();

/** A lock file is written right after it is created; one that stays unreadable this long lost its writer. */
const unreadableMs = 10_000;

/**
 * Takes a lock, or answers undefined while a living process (this one included) holds it.
 *
 * Limit: process ids are compared, so all users of a store must see the same processes: one machine, one container.
 */
export async function tryLock(path: string): Promise<FileLock | undefined> {
  const first = await create(path);
  if (first !== undefined) return first;
  const content = await contentOf(path);
  if (content !== undefined && !(await isStale(path, content))) return undefined;
  if (content !== undefined) await discard(path, content);
  return create(path);
}

async function create(path: string): Promise<FileLock | undefined> {
  const token = randomUUID();
  heldTokens.add(token);
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(JSON.stringify({ processId: process.pid, token }));
    } catch (thrown) {
      await rm(path, { force: true });
      throw thrown;
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    heldTokens.delete(token);
    if (isSystemError(thrown, 'EEXIST')) return undefined;
    throw thrown;
  }
  const release = async (): Promise<void> => {
    if (!heldTokens.delete(token)) return;
    await rm(path, { force: true });
  };
  return { release };
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}

async function isStale(path: string, content: string): Promise<boolean> {
  const holder = parseHolder(content);
  if (holder === undefined) {
    const status = await stat(path).catch(() => undefined);
    return status === undefined || Date.now() - status.mtimeMs > unreadableMs;
  }
  return holder.processId === process.pid ? !heldTokens.has(holder.token) : !isAlive(holder.processId);
}

function parseHolder(content: string): z.infer<typeof schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(content)).data;
  } catch {
    return undefined; // cut short: its writer was killed, or is just writing
  }
}

/** Removes a stale lock; should another process have replaced it meanwhile, that one is put back. */
async function discard(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return;
    throw thrown;
  }
  if ((await contentOf(aside)) === stale) await rm(aside, { force: true });
  else await rename(aside, path);
}

/** Whether a process with this identifier runs. */
export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (thrown) {
    return isSystemError(thrown, 'EPERM');
  }
}

function isSystemError(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}
