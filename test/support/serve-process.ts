// The real `athanor serve` in a process of its own, so that a test can kill it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { AthanorClient } from '#server';

const launcher = fileURLToPath(new URL('../../src/cli/athanor.js', import.meta.url));

export interface ServeProcess {
  readonly target: string;
  /** Base URL of the HTTP endpoints, where they were asked for. */
  readonly httpUrl?: string;
  /** Where it is scraped; empty where it is not. */
  readonly metricsUrl: string;
  readonly process: ChildProcess;
  /** Waits for the end; answers exit code and signal. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<readonly [number | null, string | null]>;
}

/**
 * Starts a server on a free port and waits until it says which.
 *
 * @param launch - a command that starts what follows it
 */
export async function startServeProcess(
  store: string,
  options: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
  launch: readonly string[] = [],
): Promise<ServeProcess> {
  const serve = [process.execPath, launcher, 'serve', '--listen', '127.0.0.1:0', '--store', store, ...options];
  const [program = '', ...words] = [...launch, ...serve];
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  // A test that runs out of time never comes to its own end of the server.
  const endWithTests = (): unknown => child.kill('SIGKILL');
  process.once('exit', endWithTests);
  child.once('exit', () => process.off('exit', endWithTests));
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  const said = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      // All of it is written at once.
      if (/:\d+\n/.test(text)) resolve(text);
    });
    exited.then(() => reject(new Error(`the server ended: ${errors}`)), reject);
  });
  const httpUrl = /HTTP on (\S+)\n/.exec(said)?.[1];
  return {
    target: `127.0.0.1:${/:(\d+)\n/.exec(said)?.[1] ?? ''}`,
    ...(httpUrl === undefined ? {} : { httpUrl }),
    get metricsUrl() {
      return /url=(\S+\/metrics)/.exec(errors)?.[1] ?? '';
    },
    process: child,
    end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

/** Works with a server of its own until `work` is done, then ends it by the signal. */
export async function withServeProcess<Result>(
  store: string,
  signal: 'SIGKILL' | 'SIGTERM',
  work: (client: AthanorClient, server: ServeProcess) => Promise<Result>,
): Promise<Result> {
  const server = await startServeProcess(store);
  const client = new AthanorClient(server.target);
  try {
    return await work(client, server);
  } finally {
    client.close();
    await server.end(signal);
  }
}
