// The real `athanor serve` in a process of its own, so that a test can kill it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../src/cli/athanor.js', import.meta.url));

export interface ServeProcess {
  readonly target: string;
  readonly process: ChildProcess;
  /** Waits for the end; answers exit code and signal. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<readonly [number | null, string | null]>;
}

/** Starts a server on a free port and waits until it says which. */
export async function startServeProcess(store: string, options: readonly string[] = []): Promise<ServeProcess> {
  const child = spawn(process.execPath, [launcher, 'serve', '--listen', '127.0.0.1:0', '--store', store, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  const port = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      const found = /:(\d+)\n/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    exited.then(() => reject(new Error(`the server ended: ${errors}`)), reject);
  });
  return {
    target: `127.0.0.1:${port}`,
    process: child,
    end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}
