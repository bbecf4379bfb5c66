// Reaching a server: the one that answers, or one of our own for the length of the command.
import { readFileSync } from 'node:fs';
import { AppError } from '#base';
import { AthanorClient, type ClientSecurity } from '#server';
import { type RunningServer, startServer } from './compose.ts';
import type { Output } from './output.ts';

export interface ConnectionOptions {
  /** `host:port` */
  readonly server: string;
  /** Folder of the store of an embedded server. */
  readonly store: string;
  /** Shown to the server. Default: ATHANOR_TOKEN. */
  readonly token?: string;
  /** Speak TLS, and trust this authority (PEM file) or, where it is `system`, those of the system. */
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** How long a server may take to answer that it is there. */
const answerMs = 1500;

/** Runs a command with a client and closes everything after it. A signal ends the embedded server in order first. */
export async function withClient<Result>(
  options: ConnectionOptions,
  output: Output,
  work: (client: AthanorClient) => Promise<Result>,
): Promise<Result> {
  const { server, store } = options;
  const remote = new AthanorClient(server, securityOf(options));
  if (await remote.answers(answerMs)) {
    try {
      return await work(remote);
    } finally {
      remote.close();
    }
  }
  remote.close();
  output.note(`no server at ${server}: working on the store ${store}`);
  const running = await startServer({ store, address: '127.0.0.1:0' });
  const client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  const removeHandlers = stopOnSignals(running);
  try {
    return await work(client);
  } finally {
    removeHandlers();
    client.close();
    await running.stop({ graceMs: 1000 });
  }
}

function securityOf({ token = process.env['ATHANOR_TOKEN'], tlsCa, tlsCert, tlsKey }: ConnectionOptions): ClientSecurity {
  if (tlsCa === undefined) return { token };
  const tls = {
    ...(tlsCa === 'system' ? {} : { authority: pem(tlsCa) }),
    ...(tlsCert === undefined ? {} : { certificate: pem(tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: pem(tlsKey) }),
  };
  return { token, tls };
}

function pem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw AppError.from(error);
  }
}

function stopOnSignals(running: RunningServer): () => void {
  let signals = 0;
  const stop = (): void => {
    if (++signals > 1) process.exit(130);
    // Open streams end with an error that says how to go on; the command then ends by itself.
    running.stop({ graceMs: 1000 }).catch(() => process.exit(1));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
}
