// A Python with outside packages, made once and kept in the system's temporary folder.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export type PythonEnvironment = { readonly python: string } | { readonly missing: string };

/** Installing takes about a minute where the packages are cached; a machine that needs much longer has no network. */
const timeoutMs = 170_000;

/**
 * The interpreter of a virtual environment that holds these packages, or why there is none.
 *
 * @param requirements - as pip takes them; other ones mean another environment
 */
export async function pythonEnvironment(requirements: readonly string[]): Promise<PythonEnvironment> {
  const key = createHash('sha256').update(JSON.stringify(requirements)).digest('hex').slice(0, 16);
  const home = join(tmpdir(), 'athanor-test-python', key);
  const python = join(home, 'bin/python');
  const finished = join(home, 'finished');
  const lock = `${home}.lock`;
  mkdirSync(join(home, '..'), { recursive: true });
  // Test files run side by side: one makes it, the others wait.
  while (!existsSync(finished) && !takeLock(lock)) await sleep(200);
  if (existsSync(finished)) return { python };
  const signal = AbortSignal.timeout(timeoutMs);
  const run = (command: string, ...args: string[]) => promisify(execFile)(command, args, { signal, maxBuffer: 2 ** 24 });
  try {
    rmSync(home, { recursive: true, force: true });
    await run(process.env['ATHANOR_TEST_PYTHON'] ?? 'python3', '-m', 'venv', home);
    await run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements);
    writeFileSync(finished, '');
    return { python };
  } catch (error) {
    rmSync(home, { recursive: true, force: true });
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { missing: `${requirements.join(', ')} cannot be installed: ${line.slice(0, 200)}` };
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Whether the folder is ours now. One that is older than any installation was left by a process that ended. */
function takeLock(lock: string): boolean {
  try {
    if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 2 * timeoutMs) rmSync(lock, { recursive: true, force: true });
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}
