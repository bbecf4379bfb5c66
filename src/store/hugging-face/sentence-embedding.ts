// How a folder of the sentence-transformers library makes one vector of a text: modules.json, its pooling, and how much it reads.
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '#base';
import type { ModelConfig } from '#models';
import { checkJson, readJsonFile } from '../json.ts';

const modulesName = 'modules.json';

const modulesSchema = z.array(z.object({ path: z.string(), type: z.string() }));

const poolingSchema = z.object({
  pooling_mode_cls_token: z.boolean().default(false),
  pooling_mode_mean_tokens: z.boolean().default(false),
});

/** The oldest names of the file are other ones; they hold the same. */
const limitNames = [
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_distilbert_config.json',
  'sentence_albert_config.json',
];

const limitSchema = z.object({ max_seq_length: z.int().positive().nullish() });

/**
 * The configuration with the pooling that the folder names; as it is without modules.json, or with another task.
 *
 * @throws AppError `bad_config` for modules other than pooling (mean or first token) and normalization
 */
export async function withPooling(folder: string, config: ModelConfig): Promise<ModelConfig> {
  if ((config.architecture !== 'bert' && config.architecture !== 'albert') || config.task.kind !== 'embed') return config;
  const modules = await readModules(folder);
  if (modules === undefined) return config;
  const kinds = modules.map(({ type }) => type.slice(type.lastIndexOf('.') + 1));
  const pooling = modules[kinds.indexOf('Pooling')];
  const unknown = kinds.find((kind) => !['Transformer', 'Pooling', 'Normalize'].includes(kind));
  if (unknown !== undefined || pooling === undefined || !/^[\w-]+$/.test(pooling.path))
    throw new AppError(
      'bad_config',
      `${modulesName}: ${unknown === undefined ? 'has no pooling' : `module "${unknown}" is not supported`}; supported are Transformer, Pooling, Normalize.`,
    );
  const place = `${pooling.path}/config.json`;
  const json = await readIfThere(join(folder, place));
  if (json === undefined)
    throw new AppError(
      'file_not_found',
      `${place}: ${modulesName} names it, but it is not in the folder. Send it too, or leave out ${modulesName}.`,
    );
  const modes = checkJson(poolingSchema, json, 'bad_config', place);
  if (modes.pooling_mode_cls_token === modes.pooling_mode_mean_tokens)
    throw new AppError('bad_config', `${place}: exactly one of pooling_mode_cls_token and pooling_mode_mean_tokens is supported.`);
  const maxTokens = await readLimit(folder);
  const pooled = {
    kind: 'embed',
    pooling: modes.pooling_mode_cls_token ? 'first' : 'mean',
    normalize: kinds.includes('Normalize'),
  } as const;
  return { ...config, task: { ...pooled, ...(maxTokens === undefined ? {} : { maxTokens: Math.min(maxTokens, config.maxPositions) }) } };
}

async function readLimit(folder: string): Promise<number | undefined> {
  for (const name of limitNames) {
    const json = await readIfThere(join(folder, name));
    if (json !== undefined) return checkJson(limitSchema, json, 'bad_config', name).max_seq_length ?? undefined;
  }
  return undefined;
}

async function readModules(folder: string): Promise<z.infer<typeof modulesSchema> | undefined> {
  const json = await readIfThere(join(folder, modulesName));
  return json === undefined ? undefined : checkJson(modulesSchema, json, 'bad_config', modulesName);
}

async function readIfThere(path: string): Promise<unknown> {
  try {
    return await readJsonFile(path, 'bad_config');
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'file_not_found') return undefined;
    throw thrown;
  }
}
