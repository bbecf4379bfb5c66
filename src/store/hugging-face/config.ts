// Hugging Face's config.json and our ModelConfig, both ways.

import { z } from 'zod';
import { AppError } from '#base';
import { checkConfig, type Gpt2Config, type LayerShape, type ModelConfig } from '#models';
import { checkJson, type JsonObject } from '../json.ts';
import {
  activation,
  activationsByName,
  badField,
  depth,
  only,
  place,
  readTokens,
  requireMultiple,
  size,
  token,
  tokens,
  writeEndTokens,
} from './config-fields.ts';
import { readEncoderConfig, writeEncoderConfig } from './encoder-config.ts';
import { encoderDecoderReaders, writeEncoderDecoder } from './encoder-decoder-config.ts';
import { llamaReaders, writeLlama } from './llama-config.ts';
import { layerShapesSchema, ownType } from './own-config.ts';

const gpt2Names = { geluTanh: 'gelu_new', gelu: 'gelu', relu: 'relu', silu: 'silu' } as const;

const ownSchema = z.strictObject({
  headWidth: size.optional(),
  layerShapes: layerShapesSchema.optional(),
});

/** What Hugging Face's fields cannot say of a pruned model. Only artefacts have it: exported folders are padded until they need none. */
const ownField = 'athanor';

const gpt2Schema = z.object({
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: depth,
  n_head: size,
  n_inner: size.nullish(),
  activation_function: activation.default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: only(true),
  scale_attn_by_inverse_layer_idx: only(false),
  add_cross_attention: only(false),
  tie_word_embeddings: z.boolean().default(true),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
  [ownField]: ownSchema.optional(),
});

/** The identifier that transformers' GPT-2 config gives to both ends of a text when nobody chose one. */
const gpt2DefaultToken = 50_256;

function readGpt2(json: JsonObject): Gpt2Config {
  const fields = checkJson(gpt2Schema, json, 'bad_config', place);
  const headWidth = fields[ownField]?.headWidth;
  if (headWidth === undefined) requireMultiple('n_embd', fields.n_embd, 'n_head', fields.n_head);
  // Written even for vocabularies of a hundred words; such a model cannot produce it, so it means "none".
  const exists = (id: number): boolean => id !== gpt2DefaultToken || id < fields.vocab_size;
  return {
    architecture: 'gpt2',
    vocabularySize: fields.vocab_size,
    width: fields.n_embd,
    layers: fields.n_layer,
    heads: fields.n_head,
    feedForwardWidth: fields.n_inner ?? 4 * fields.n_embd,
    maxPositions: fields.n_positions,
    tiedHead: fields.tie_word_embeddings,
    normEpsilon: fields.layer_norm_epsilon,
    activation: activationsByName[fields.activation_function],
    ...(headWidth === undefined ? {} : { headWidth }),
    ...readTokens({ ...fields, exists }),
  };
}

/** By the model type in config.json. */
const readers: Readonly<Record<string, (json: JsonObject) => ModelConfig>> = {
  gpt2: readGpt2,
  ...llamaReaders,
  bert: (json) => readEncoderConfig('bert', json),
  roberta: (json) => readEncoderConfig('roberta', json),
  distilbert: (json) => readEncoderConfig('distilbert', json),
  albert: (json) => readEncoderConfig('albert', json),
  ...encoderDecoderReaders,
};

/** The sizes of single layers, which every architecture may have. */
function readLayerShapes(fields: JsonObject): { readonly layerShapes?: readonly LayerShape[] } {
  // Our own type keeps its whole configuration there.
  if (fields['model_type'] === ownType) return {};
  const { layerShapes } = checkJson(z.object({ [ownField]: ownSchema.optional() }), fields, 'bad_config', place)[ownField] ?? {};
  return layerShapes === undefined ? {} : { layerShapes };
}

function writeOwnFields({ layerShapes, ...config }: ModelConfig): object {
  const own = {
    ...(layerShapes === undefined ? {} : { layerShapes }),
    ...(config.architecture !== 'llama' && config.architecture !== 'encoderDecoder' && config.headWidth !== undefined
      ? { headWidth: config.headWidth }
      : {}),
  };
  return Object.keys(own).length === 0 ? {} : { [ownField]: own };
}

/**
 * Our configuration of a Hugging Face config.
 *
 * @throws AppError `unknown_architecture` naming the supported ones, `bad_config` naming the field
 */
export function readHuggingFaceConfig(json: unknown): ModelConfig {
  const fields = checkJson(z.record(z.string(), z.json()), json, 'bad_config', place);
  const supported = Object.keys(readers).join(', ');
  const modelType = fields['model_type'];
  if (typeof modelType !== 'string') throw badField('model_type', `is missing; supported are ${supported}`);
  const reader = Object.entries(readers).find(([name]) => name === modelType)?.[1];
  if (reader === undefined)
    throw new AppError('unknown_architecture', `${place}: model_type "${modelType}" is not supported; supported are ${supported}.`, {
      details: { modelType },
    });
  if (fields['quantization_config'] != null)
    throw badField('quantization_config', 'quantized checkpoints are not read; import the float checkpoint and compress it here');
  const config: ModelConfig = { ...reader(fields), ...readLayerShapes(fields) };
  checkConfig(config);
  return config;
}

/**
 * config.json for a configuration; `dtype` is what transformers loads the weights as.
 *
 * @throws AppError `bad_config` for a combination of settings that no model type of transformers has
 */
export function writeHuggingFaceConfig(config: ModelConfig, dtype: 'float32' | 'float16' | 'bfloat16'): JsonObject {
  const { beginToken = null, endTokens } = config;
  const common = {
    vocab_size: config.vocabularySize,
    tie_word_embeddings: config.tiedHead,
    bos_token_id: beginToken,
    eos_token_id: writeEndTokens(endTokens),
    // The old name and the new one of the same field.
    torch_dtype: dtype,
    dtype,
    use_cache: true,
    ...writeOwnFields(config),
  };
  return toJson({ ...common, ...writeFields(config) });
}

/** Fields of config.json that transformers refuses as whole numbers: 30 must be written as 30.0, which JavaScript's numbers do not tell apart. */
const floatFields = /^( *"(?:attn|final)_logit_softcapping": \d+)(,?)$/gm;

/** The text of config.json for a configuration. @throws AppError as `writeHuggingFaceConfig` */
export function huggingFaceConfigText(config: ModelConfig, dtype: 'float32' | 'float16' | 'bfloat16'): string {
  return `${JSON.stringify(writeHuggingFaceConfig(config, dtype), null, 2).replace(floatFields, '$1.0$2')}\n`;
}

/** Without what only artefacts say, beside these fields or in a file of their own. */
function writeFields({ embedding: _, halting: __, ladder: _1, adapters: _2, prompt: _3, ...rest }: ModelConfig): object {
  if (rest.architecture === 'encoderDecoder') return writeEncoderDecoder(rest);
  const { layerShapes: ___, ...config } = rest;
  switch (config.architecture) {
    case 'gpt2':
      return writeGpt2(config);
    case 'llama':
      return writeLlama(config);
    case 'bert':
    case 'albert':
      return writeEncoderConfig(config);
  }
}

function writeGpt2(config: Gpt2Config): object {
  return {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    n_positions: config.maxPositions,
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.feedForwardWidth,
    activation_function: gpt2Names[config.activation],
    layer_norm_epsilon: config.normEpsilon,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    reorder_and_upcast_attn: false,
    add_cross_attention: false,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
  };
}

function toJson(fields: object): JsonObject {
  return checkJson(z.record(z.string(), z.json()), JSON.parse(JSON.stringify(fields)), 'internal', place);
}
