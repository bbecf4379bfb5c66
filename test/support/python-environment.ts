// A Python with packages of its own, made once in a folder of the system's temporary one.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const kept = join(tmpdir(), 'athanor-test-tools');
const timeoutMs = 240_000;

export type PythonEnvironment = { readonly python: string } | { readonly missing: string };

/**
 * The interpreter of a virtual environment that holds these packages, or why there is none.
 *
 * @param requirements - as pip takes them; other ones mean another environment
 */
export async function pythonEnvironment(requirements: readonly string[]): Promise<PythonEnvironment> {
  const name = createHash('sha256').update(requirements.join('\n')).digest('hex').slice(0, 12);
  const home = join(kept, `python-${name}`);
  const interpreter = join(home, 'bin/python');
  if (existsSync(interpreter)) return { python: interpreter };
  const python = process.env['ATHANOR_TEST_PYTHON'] ?? 'python3';
  const run = (command: string, ...args: string[]) => promisify(execFile)(command, args, { timeout: timeoutMs, maxBuffer: 2 ** 24 });
  mkdirSync(kept, { recursive: true });
  const work = mkdtempSync(join(kept, 'python-'));
  try {
    await run(python, '-m', 'venv', work);
    await run(join(work, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements);
    // Only its scripts know where it was made; the interpreter does not care.
    try {
      renameSync(work, home);
    } catch (error) {
      if (!existsSync(interpreter)) throw error; // another test was faster
    }
    return { python: interpreter };
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { missing: `a Python with ${requirements.join(', ')} cannot be made: ${line.slice(0, 200)}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
