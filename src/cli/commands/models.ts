// Commands on stored models: generate, export, models, show.
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { AppError } from '#base';
import type { AthanorClient } from '#server';
import { type CommonOptions, decimalNumber, runCommand, wholeNumber, withCommonOptions } from '../options.ts';
import { bytesText, type Output } from '../output.ts';
import { modelsText, modelText } from '../reports.ts';

interface GenerateOptions extends CommonOptions {
  readonly prompt: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: string[];
}

interface ExportOptions extends CommonOptions {
  readonly format: string;
  readonly out: string;
}

const formats = { hf: 'EXPORT_FORMAT_HF', onnx: 'EXPORT_FORMAT_ONNX' } as const;

export function addModelCommands(program: Command): void {
  withCommonOptions(program.command('generate <model>'))
    .description('continue a prompt')
    .requiredOption('--prompt <text>', 'text to continue')
    .option('--max-tokens <count>', 'most tokens to generate', wholeNumber)
    .option('--temperature <value>', '0 always takes the likeliest token', decimalNumber)
    .option('--top-k <count>', 'draw among this many likeliest tokens', wholeNumber)
    .option('--top-p <share>', 'draw among the tokens that hold this much probability', decimalNumber)
    .option('--seed <number>', 'seed of the draws', wholeNumber)
    .option('--stop <text...>', 'texts that end the generation')
    .action((model: string, options: GenerateOptions) => runCommand(options, (client, output) => generate(client, output, model, options)));

  withCommonOptions(program.command('export <model>'))
    .description('write a model as a Hugging Face folder or as an ONNX model')
    .requiredOption('--format <format>', 'hf or onnx')
    .requiredOption('--out <dir>', 'folder to make')
    .action((model: string, options: ExportOptions) =>
      runCommand(options, (client, output) => exportModel(client, output, model, options)),
    );

  withCommonOptions(program.command('models'))
    .description('list the models')
    .action((options: CommonOptions) =>
      runCommand(options, async (client, output) => {
        const { models } = await client.unary(client.protocol.model.List, {});
        output.result(models, () => modelsText(models));
      }),
    );

  withCommonOptions(program.command('show <model>'))
    .description('show a model with its parameters, lineage and evaluation')
    .action((name: string, options: CommonOptions) =>
      runCommand(options, async (client, output) => {
        const { model } = await client.unary(client.protocol.model.Get, { name });
        output.result(model, () => (model === null ? '' : modelText(model)));
      }),
    );
}

async function generate(client: AthanorClient, output: Output, model: string, options: GenerateOptions): Promise<void> {
  const { prompt, maxTokens, temperature, topK, topP, seed, stop = [] } = options;
  const responses = client.serverStream(client.protocol.inference.Generate, {
    model,
    text: prompt,
    stop,
    ...(maxTokens === undefined ? {} : { maxNewTokens: maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
    ...(seed === undefined ? {} : { seed }),
  });
  let text = '';
  const tokenIds: number[] = [];
  for await (const response of responses) {
    text += response.text;
    tokenIds.push(...response.tokenIds);
    if (!output.json) output.piece(response.text);
    if (response.usage) {
      const { usage } = response;
      const finishReason = response.finishReason.replace('FINISH_REASON_', '').toLowerCase();
      output.result({ text, tokenIds, finishReason, usage }, () => '');
    }
  }
}

/** Writes beside the folder and renames, so that a broken export leaves nothing. */
async function exportModel(client: AthanorClient, output: Output, name: string, { format, out }: ExportOptions): Promise<void> {
  const wanted = Object.entries(formats).find(([key]) => key === format)?.[1];
  if (wanted === undefined) throw new AppError('invalid_argument', `--format: must be hf or onnx, got "${format}".`);
  const existing = await readdir(out).catch(() => []);
  if (existing.length > 0) throw new AppError('file_exists', `${out}: exists and is not empty. Choose another folder.`);
  const partial = join(dirname(out), `.${process.pid}-athanor-export`);
  try {
    const files = await receive(partial, client, name, wanted);
    await rm(out, { recursive: true, force: true });
    await rename(partial, out);
    output.result({ path: out, files }, () =>
      files.map(({ fileName, sizeBytes }) => `${join(out, fileName)}  ${bytesText(sizeBytes)}`).join('\n'),
    );
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw AppError.from(error);
  }
}

async function receive(
  folder: string,
  client: AthanorClient,
  name: string,
  format: (typeof formats)[keyof typeof formats],
): Promise<{ fileName: string; sizeBytes: number }[]> {
  await mkdir(folder, { recursive: true });
  const files: { fileName: string; sizeBytes: number }[] = [];
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name, format })) {
      if (chunk === null) continue;
      if (files.at(-1)?.fileName !== chunk.fileName) {
        await handle?.close();
        handle = undefined;
        const path = join(folder, chunk.fileName);
        await mkdir(dirname(path), { recursive: true });
        handle = await open(path, 'wx');
        files.push({ fileName: chunk.fileName, sizeBytes: chunk.fileSizeBytes });
      }
      await handle?.writeFile(chunk.data);
    }
  } finally {
    await handle?.close();
  }
  return files;
}
