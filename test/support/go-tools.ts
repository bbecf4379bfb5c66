// Programs written in Go that tests drive, built once into a folder of the system's temporary one.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const kept = join(tmpdir(), 'athanor-test-tools');
const timeoutMs = 280_000;

/** A program of a module at a version; or why there is none. */
async function goTool(module: string, version: string, command: string): Promise<string | { readonly missing: string }> {
  const home = join(kept, `${command}-${version}`);
  const path = join(home, command);
  if (existsSync(path)) return path;
  mkdirSync(kept, { recursive: true });
  const work = mkdtempSync(join(kept, 'build-'));
  try {
    await promisify(execFile)('go', ['install', `${module}/cmd/${command}@${version}`], {
      env: { ...process.env, GOBIN: work, GOFLAGS: '-mod=mod' },
      timeout: timeoutMs,
    });
    try {
      renameSync(work, home);
    } catch (error) {
      if (!existsSync(path)) throw error; // another test was faster
    }
    return path;
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { missing: `${command} ${version} cannot be built with Go: ${line.slice(0, 200)}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** gRPC on the command line, by reflection. */
export const grpcurlPath = (): Promise<string | { readonly missing: string }> =>
  goTool('github.com/fullstorydev/grpcurl', 'v1.9.4', 'grpcurl');

/** Load on a gRPC method. */
export const ghzPath = (): Promise<string | { readonly missing: string }> => goTool('github.com/bojand/ghz', 'v0.121.0', 'ghz');
