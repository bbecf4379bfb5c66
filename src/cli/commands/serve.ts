// The `serve` command: a server until a signal ends it.
import { type Command, Option } from 'commander';
import type { LogFields, Logger } from '#base';
import { type ComputeMode, computeModes } from '#serve';
import { startServer } from '../compose.ts';
import { defaultServer, defaultStore, wholeNumber } from '../options.ts';
import { Output } from '../output.ts';

interface ServeOptions {
  readonly listen: string;
  readonly store: string;
  readonly device?: string;
  readonly threads?: number;
  readonly compute: ComputeMode;
  readonly memoryLimit?: number;
  readonly modelMemory?: number;
  readonly pauseMs: number;
  readonly graceMs: number;
  readonly json?: boolean;
}

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the server until it is told to stop (SIGTERM or SIGINT; a second one ends at once)')
    .option('--listen <host:port>', 'address to listen on; port 0 takes a free one', defaultServer)
    .option('--store <dir>', 'folder of the store', defaultStore)
    .option('--device <device>', 'cpu, cuda:N, webgpu:0 or auto', 'cpu')
    .option('--threads <count>', 'threads of one run (default: all processors)', wholeNumber)
    .addOption(
      new Option(
        '--compute <mode>',
        'numbers that generating models multiply in. exact: as they are stored; int8: weights and activations rounded to 8 bits, faster for many sequences, with other answers; auto: as stored, and 8-bit integers too where a model of 4 bits or fewer is faster with them and loses less than its bits already lost',
      )
        .choices(computeModes)
        .default('auto'),
    )
    .option('--memory-limit <MiB>', 'refuse compressions that would need more (default: what the machine has)', wholeNumber)
    .option(
      '--model-memory <MiB>',
      'memory of loaded models together; those that nobody uses are unloaded for others (default: three quarters of what the process may hold)',
      wholeNumber,
    )
    .option('--pause-ms <ms>', 'on stopping, say NOT_SERVING this long before refusing calls', wholeNumber, 0)
    .option('--grace-ms <ms>', 'on stopping, let streams end for this long', wholeNumber, 10_000)
    .option('--json', 'log as JSON lines')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const { listen, store, device, threads, compute, memoryLimit, modelMemory, pauseMs, graceMs, json } = options;
  const output = new Output(json === true);
  // Before anything slow: a signal while models load must not be lost.
  let onSignal = (): void => process.exit(130);
  let signals = 0;
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.on(name, () => {
      if (++signals > 1) process.exit(1);
      onSignal();
    });
  try {
    const running = await startServer({
      store,
      address: listen,
      compute,
      logger: standardLogger(json === true),
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
      ...(memoryLimit === undefined ? {} : { memoryLimitBytes: memoryLimit * 2 ** 20 }),
      ...(modelMemory === undefined ? {} : { modelMemoryBytes: modelMemory * 2 ** 20 }),
    });
    output.result(
      { port: running.server.port, store },
      () => `athanor serves ${store} on ${listen.replace(/:\d+$/, '')}:${running.server.port}`,
    );
    await new Promise<void>((resolve) => {
      onSignal = resolve;
    });
    await running.stop({ pauseMs, graceMs });
  } catch (error) {
    output.error(error);
    process.exitCode = 1;
  }
}

/** Lines on standard error: for people, or JSON for machines. */
function standardLogger(json: boolean): Logger {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      const time = new Date().toISOString();
      const pairs = Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
      process.stderr.write(`${json ? JSON.stringify({ time, level, message, ...fields }) : [time, level, message, ...pairs].join(' ')}\n`);
    };
  return { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') };
}
