// An artefact is a folder: config.json and tokenizer in Hugging Face's form, model.safetensors with our names, athanor.json with the rest.
import { join } from 'node:path';
import { z } from 'zod';
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { additionFields, checkConfig, checkModel, type Model, type ModelConfig, type Parameter, storedName } from '#models';
import type { HostTensor } from '#tensor';
import type { FolderWriter } from './folder-writer.ts';
import { huggingFaceConfigText, readHuggingFaceConfig } from './hugging-face/config.ts';
import { type GenerationDefaults, readGenerationConfig, writeGenerationConfig } from './hugging-face/generation.ts';
import { isTokenizerFile, type TokenizerFiles } from './hugging-face/tokenizer-files.ts';
import { checkJson, type JsonObject, type JsonValue, jsonObjectSchema, jsonValueSchema, readBytes, readJsonFile } from './json.ts';
import { type MapBytes, readSafetensors, type TensorSource, writeSafetensors } from './safetensors.ts';

/** An artefact that another was made from. */
export interface ArtefactParent {
  readonly hash: string;
  /** For example `source`, `teacher`, `import`. */
  readonly role: string;
}

/** What is recorded about a model beside its weights; all of it plain JSON. */
export interface ArtefactMeta {
  readonly parents?: readonly ArtefactParent[];
  /** The recipe whose steps made it. */
  readonly recipe?: JsonValue;
  readonly settings?: JsonObject;
  /** Fingerprint of the data that it was trained or calibrated on. */
  readonly data?: JsonValue;
  readonly evaluation?: JsonValue;
}

export interface ArtefactContent {
  readonly model: Model;
  readonly tokenizerFiles: TokenizerFiles;
  readonly generation: GenerationDefaults;
  readonly meta: ArtefactMeta;
}

const formatVersion = 1;
const weightsName = 'model.safetensors';
const configName = 'config.json';
const generationName = 'generation_config.json';
const recordName = 'athanor.json';

const recordSchema = z.object({
  format: z.literal('athanor-artefact'),
  formatVersion: z.literal(formatVersion),
  parameters: z.array(
    z.object({
      path: z.string(),
      kind: z.string(),
      settings: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
      /** Slot -> name in model.safetensors; a name that several slots have is one tensor. */
      tensors: z.record(z.string(), z.string()),
    }),
  ),
  /** Parts of the configuration for which Hugging Face's config.json has no field. */
  config: z
    .object({
      embedding: z.object({ kind: z.literal('safe'), width: z.int(), heads: z.int() }).optional(),
      halting: z.object({ epsilon: z.number(), ponderCost: z.number(), signals: z.boolean() }).optional(),
      ladder: z
        .object({
          layers: z.array(z.int()),
          width: z.int(),
          heads: z.int(),
          keyValueHeads: z.int(),
          feedForwardWidth: z.int(),
          mixesOutput: z.boolean(),
        })
        .optional(),
      adapters: z.object({ width: z.int() }).optional(),
      prompt: z.object({ length: z.int() }).optional(),
    })
    .optional(),
  parents: z.array(z.object({ hash: z.string(), role: z.string() })).optional(),
  recipe: jsonValueSchema.optional(),
  settings: jsonObjectSchema.optional(),
  data: jsonValueSchema.optional(),
  evaluation: jsonValueSchema.optional(),
});

const ownConfigFields = ['embedding', 'halting', ...additionFields] as const;

type ArtefactRecord = z.infer<typeof recordSchema>;

/**
 * Writes the files of an artefact. A tensor object that several parameters hold is stored once.
 *
 * @throws AppError `cancelled`, and what the file system throws
 */
export async function writeArtefact(writer: FolderWriter, content: ArtefactContent, { report, signal }: OperationContext): Promise<void> {
  const { model, tokenizerFiles, generation, meta } = content;
  const nameByTensor = new Map<HostTensor, string>();
  const parameters = [...model.parameters.values()].map((parameter) => {
    const slots = Object.entries(parameter.tensors).map(([slot, tensor]) => {
      const name = nameByTensor.get(tensor) ?? storedName(parameter, slot);
      nameByTensor.set(tensor, name);
      return [slot, name] as const;
    });
    return { path: parameter.path, kind: parameter.kind, settings: parameter.settings, tensors: Object.fromEntries(slots) };
  });
  const own = Object.fromEntries(
    ownConfigFields.flatMap((field) => (model.config[field] === undefined ? [] : [[field, model.config[field]]])),
  );
  const config = Object.keys(own).length === 0 ? {} : { config: own };
  const record = { format: 'athanor-artefact', formatVersion, parameters, ...config, ...meta };
  await writer.writeText(configName, huggingFaceConfigText(model.config, 'float32'));
  await writer.writeJson(generationName, writeGenerationConfig(generation));
  await writer.writeJson(recordName, record);
  for (const [name, bytes] of tokenizerFiles) if (isTokenizerFile(name)) await writer.write(name, [bytes]);
  let numWritten = 0;
  const sources = [...nameByTensor].map(([tensor, name]): [string, TensorSource] => {
    const make = (): HostTensor => {
      throwIfCancelled(signal);
      report({ phase: 'save', step: numWritten++, total: nameByTensor.size, item: name });
      return tensor;
    };
    return [name, { dtype: tensor.dtype, shape: tensor.shape, make }];
  });
  await writeSafetensors(writer, weightsName, new Map(sources), { format: 'athanor' });
  report({ phase: 'save', step: nameByTensor.size, total: nameByTensor.size });
}

/**
 * Reads an artefact folder whose files have been verified.
 *
 * @throws AppError `bad_artefact` | `bad_config` | `config_mismatch` (a parametrization that this version does not know) | `cancelled`
 */
export async function readArtefact(
  folder: string,
  tokenizerNames: Iterable<string>,
  signal: AbortSignal,
  map?: MapBytes,
): Promise<ArtefactContent> {
  const record = await readRecord(folder);
  const config = withOwnFields(readHuggingFaceConfig(await readJsonFile(join(folder, configName), 'bad_artefact')), record);
  const generation = readGenerationConfig(await readJsonFile(join(folder, generationName), 'bad_artefact'));
  const { tensors } = await readSafetensors(join(folder, weightsName), signal, map);
  const parameters = readParameters(record, tensors);
  const model: Model = { config, parameters };
  checkModel(model);
  const tokenizerFiles = new Map<string, Uint8Array>();
  for (const name of tokenizerNames) if (isTokenizerFile(name)) tokenizerFiles.set(name, await readBytes(join(folder, name)));
  return { model, tokenizerFiles, generation, meta: metaOf(record) };
}

/** What is recorded about an artefact, without its weights. @throws AppError `bad_artefact` */
export async function readArtefactMeta(folder: string): Promise<ArtefactMeta> {
  return metaOf(await readRecord(folder));
}

async function readRecord(folder: string): Promise<ArtefactRecord> {
  return checkJson(recordSchema, await readJsonFile(join(folder, recordName), 'bad_artefact'), 'bad_artefact', recordName);
}

function metaOf({ parents, recipe, settings, data, evaluation }: ArtefactRecord): ArtefactMeta {
  return {
    ...(parents === undefined ? {} : { parents }),
    ...(recipe === undefined ? {} : { recipe }),
    ...(settings === undefined ? {} : { settings }),
    ...(data === undefined ? {} : { data }),
    ...(evaluation === undefined ? {} : { evaluation }),
  };
}

function withOwnFields(config: ModelConfig, { config: own }: ArtefactRecord): ModelConfig {
  if (own === undefined) return config;
  const { embedding, halting, ladder, adapters, prompt } = own;
  const whole: ModelConfig = {
    ...config,
    ...(embedding === undefined ? {} : { embedding }),
    ...(halting === undefined ? {} : { halting }),
    ...(ladder === undefined ? {} : { ladder }),
    ...(adapters === undefined ? {} : { adapters }),
    ...(prompt === undefined ? {} : { prompt }),
  };
  checkConfig(whole);
  return whole;
}

function readParameters(record: ArtefactRecord, tensors: ReadonlyMap<string, HostTensor>): Map<string, Parameter> {
  const unused = new Set(tensors.keys());
  const parameters = new Map<string, Parameter>();
  for (const { path, kind, settings, tensors: names } of record.parameters) {
    const slots = Object.entries(names).map(([slot, name]) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw badArtefact(`${recordName}: ${path}: tensor "${name}" is not in ${weightsName}`);
      unused.delete(name);
      return [slot, tensor] as const;
    });
    parameters.set(path, { path, kind, settings, tensors: Object.fromEntries(slots) });
  }
  const [extra] = unused;
  if (extra !== undefined) throw badArtefact(`${weightsName}: tensor "${extra}" belongs to no parameter of ${recordName}`);
  return parameters;
}

export function badArtefact(problem: string): AppError {
  return new AppError('bad_artefact', `${problem}. Import or compress the model again.`);
}
