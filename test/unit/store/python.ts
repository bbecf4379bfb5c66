// Runs scripts with the Python of ATHANOR_TEST_PYTHON, which has torch, transformers and safetensors.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { it } from 'vitest';

const python = process.env['ATHANOR_TEST_PYTHON'];

/** A test that needs Python; skipped with a reason where the variable is not set. */
export function itWithPython(name: string, body: () => Promise<void>): void {
  it(name, async (context) => {
    if (python === undefined || python === '')
      return context.skip('ATHANOR_TEST_PYTHON names no Python with torch, transformers and safetensors');
    await body();
  });
}

/** Runs a script of this folder and answers what it prints, parsed as JSON. */
export async function runPython(script: string, ...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(python ?? '', [join(import.meta.dirname, script), ...args], {
    maxBuffer: 2 ** 26,
    env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error', OMP_NUM_THREADS: '1' },
  });
  return JSON.parse(stdout);
}
