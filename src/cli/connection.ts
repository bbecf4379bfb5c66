// Reaching a server: the one that answers, or one of our own for the length of the command.
import { AthanorClient } from '#server';
import { type RunningServer, startServer } from './compose.ts';
import type { Output } from './output.ts';

export interface ConnectionOptions {
  /** `host:port` */
  readonly server: string;
  /** Folder of the store of an embedded server. */
  readonly store: string;
}

/** How long a server may take to answer that it is there. */
const answerMs = 1500;

/** Runs a command with a client and closes everything after it. A signal ends the embedded server in order first. */
export async function withClient<Result>(
  { server, store }: ConnectionOptions,
  output: Output,
  work: (client: AthanorClient) => Promise<Result>,
): Promise<Result> {
  const remote = new AthanorClient(server);
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
