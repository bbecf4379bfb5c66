// Options that several commands share, and how their values are read.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { AthanorClient, TextDataMessage } from '#server';
import { type ConnectionOptions, withClient } from './connection.ts';
import { Output } from './output.ts';

export interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

export interface DataOptions {
  readonly data?: readonly string[];
  readonly field?: string;
  readonly labelColumn?: string;
  readonly textColumn?: string;
  readonly secondColumn?: string;
  readonly pairs?: boolean;
}

export const defaultServer = '127.0.0.1:8001';
export const defaultStore = './.athanor';

export function withCommonOptions(command: Command): Command {
  return command
    .option('--server <host:port>', 'server to use; where none answers, one of its own on the store', defaultServer)
    .option('--store <dir>', 'folder of the store of an embedded server', defaultStore)
    .option('--token <token>', 'token to show to the server (default: ATHANOR_TOKEN)')
    .option('--tls-ca <file>', 'speak TLS and trust this authority (PEM), or "system"')
    .option('--tls-cert <file>', 'own certificate (PEM), where the server wants one')
    .option('--tls-key <file>', 'private key (PEM) of the own certificate')
    .option('--json', 'print JSON');
}

export function withDataOptions(command: Command, description: string): Command {
  return command
    .option('--data <file...>', description)
    .option('--field <name>', 'field of a .jsonl row that holds the text (default: text)')
    .option('--label-column <name>', 'the data are labelled texts (.tsv, .csv, .jsonl): column of the label')
    .option('--text-column <name>', 'column of a labelled text (default: text)')
    .option('--second-column <name>', 'column of the second of two texts')
    .option('--pairs', 'the data are pairs (.tsv, or .jsonl with source and target)');
}

/** Runs the body of a command with a client and its output; errors become a message and an exit code. */
export async function runCommand(options: CommonOptions, work: (client: AthanorClient, output: Output) => Promise<void>): Promise<void> {
  const output = new Output(options.json === true);
  try {
    await withClient(options, output, (client) => work(client, output));
  } catch (error) {
    output.error(error);
    process.exitCode = 1;
  }
}

/** A path as the server should read it: what exists here is meant from here. */
export function serverPath(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) ? absolute : path;
}

/** Undefined where no file was named. */
export function textData({ data = [], field = '', ...columns }: DataOptions): TextDataMessage | undefined {
  if (data.length === 0) return undefined;
  const { labelColumn, textColumn = '', secondColumn = '', pairs = false } = columns;
  return {
    paths: data.map(serverPath),
    jsonlField: field,
    ...(labelColumn === undefined ? {} : { labelled: { label: labelColumn, text: textColumn, secondText: secondColumn } }),
    ...(pairs ? { pairs: {} } : {}),
  };
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number.');
  return value;
}

export function decimalNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('must be a number.');
  return value;
}
