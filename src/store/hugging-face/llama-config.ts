// config.json of Llama and its relatives, which are one architecture here: what each of their model types says otherwise.

import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { AppError } from '#base';
import type { LlamaConfig, SlidingWindow } from '#models';
import { checkJson, type JsonObject } from '../json.ts';
import {
  activation,
  activationsByName,
  badField,
  depth,
  only,
  place,
  positive,
  readTokens,
  requireMultiple,
  size,
  token,
  tokens,
} from './config-fields.ts';
import { readLayeredRotary, readRotary, rotarySchema, writeLayeredRotary, writeRotary } from './rotary.ts';

const activationNames = { geluTanh: 'gelu_pytorch_tanh', gelu: 'gelu', silu: 'silu' } as const;

/** What all of them have. Defaults are those of transformers, which write no field that has its default. */
const common = {
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: depth,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  rms_norm_eps: positive.default(1e-6),
  rope_theta: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
  rope_scaling: rotarySchema.nullish(),
  rope_parameters: rotarySchema.nullish(),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
};

const gated = activation.exclude(['relu']);
const layerTypes = z.array(z.enum(['full_attention', 'sliding_attention'])).nullish();

const llamaSchema = z.object({
  ...common,
  hidden_act: gated.default('silu'),
  max_position_embeddings: size.default(2048),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

const mistralSchema = z.object({
  ...common,
  num_key_value_heads: size.nullable().default(8),
  hidden_act: gated.default('silu'),
  max_position_embeddings: size.default(131_072),
  tie_word_embeddings: z.boolean().default(false),
  sliding_window: size.nullable().default(4096),
  attention_bias: only(false),
  // transformers' Mistral slides in all layers whatever this says.
  layer_types: z.array(z.literal('sliding_attention')).nullish(),
});

const qwenFields = {
  ...common,
  num_key_value_heads: size.nullable().default(32),
  hidden_act: gated.default('silu'),
  max_position_embeddings: size.default(32_768),
  tie_word_embeddings: z.boolean().default(false),
  use_sliding_window: z.boolean().default(false),
  sliding_window: size.nullable().default(4096),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: layerTypes,
  use_mrope: only(false),
  dual_chunk_attention_config: z.null().optional(),
};
const qwen2Schema = z.object(qwenFields);
const qwen3Schema = z.object({ ...qwenFields, head_dim: size.default(128), attention_bias: z.boolean().default(false) });

const gemmaFields = {
  ...common,
  head_dim: size.default(256),
  tie_word_embeddings: z.boolean().default(true),
  attention_bias: z.boolean().default(false),
  use_bidirectional_attention: only(false),
};
const gemmaSchema = z.object({
  ...gemmaFields,
  num_key_value_heads: size.nullable().default(16),
  hidden_act: gated.default('gelu_pytorch_tanh'),
  hidden_activation: gated.nullish(),
  max_position_embeddings: size.default(8192),
});
const gemma2Schema = z.object({
  ...gemmaFields,
  num_key_value_heads: size.nullable().default(4),
  hidden_activation: gated.default('gelu_pytorch_tanh'),
  max_position_embeddings: size.default(8192),
  query_pre_attn_scalar: positive.default(256),
  sliding_window: size.nullable().default(4096),
  layer_types: layerTypes,
  attn_logit_softcapping: positive.nullable().default(50),
  final_logit_softcapping: positive.nullable().default(30),
});
const gemma3Schema = z.object({
  ...gemma2Schema.shape,
  max_position_embeddings: size.default(131_072),
  sliding_window_pattern: size.default(6),
  // transformers reads it and then does without.
  attn_logit_softcapping: z.null().optional(),
  final_logit_softcapping: positive.nullable().default(null),
  rope_local_base_freq: positive.nullish(),
  rope_parameters: z.object({ full_attention: rotarySchema.nullish(), sliding_attention: rotarySchema.nullish() }).nullish(),
});

type CommonFields = z.infer<z.ZodObject<Omit<typeof common, 'rope_parameters'>>> & {
  readonly max_position_embeddings: number;
  readonly tie_word_embeddings: boolean;
};

/** The part that every model type reads in the same way. */
function readCommon(fields: CommonFields) {
  const heads = fields.num_attention_heads;
  const keyValueHeads = fields.num_key_value_heads ?? heads;
  requireMultiple('num_attention_heads', heads, 'num_key_value_heads', keyValueHeads);
  if (fields.head_dim == null) requireMultiple('hidden_size', fields.hidden_size, 'num_attention_heads', heads);
  const headWidth = fields.head_dim ?? fields.hidden_size / heads;
  if (headWidth % 2 !== 0) throw badField('head_dim', `${headWidth} is odd; rotary positions turn pairs`);
  return {
    architecture: 'llama',
    vocabularySize: fields.vocab_size,
    width: fields.hidden_size,
    layers: fields.num_hidden_layers,
    heads,
    keyValueHeads,
    headWidth,
    feedForwardWidth: fields.intermediate_size,
    tiedHead: fields.tie_word_embeddings,
    normEpsilon: fields.rms_norm_eps,
    attentionBias: false,
    feedForwardBias: false,
    ...readTokens({ ...fields, exists: () => true }),
  } as const;
}

interface WindowFields {
  readonly num_hidden_layers: number;
  readonly sliding_window: number | null;
  readonly layer_types?: readonly string[] | null | undefined;
}

/** @param byDefault - whether a layer slides where `layer_types` is absent */
function readWindow(fields: WindowFields, byDefault: (layer: number) => boolean): { slidingWindow?: SlidingWindow } {
  const { num_hidden_layers: layers, sliding_window: window, layer_types: types } = fields;
  if (types != null && types.length !== layers) throw badField('layer_types', `names ${types.length} layers of ${layers}`);
  const flags = Array.from({ length: layers }, (_, layer) => (types == null ? byDefault(layer) : types[layer] === 'sliding_attention'));
  if (!flags.includes(true)) return {};
  if (window === null) throw badField('sliding_window', 'is null, and layer_types has layers with a sliding window');
  return { slidingWindow: { size: window, layers: flags } };
}

function readLlama(json: JsonObject): LlamaConfig {
  const fields = checkJson(llamaSchema, json, 'bad_config', place);
  return {
    ...readCommon(fields),
    activation: activationsByName[fields.hidden_act],
    attentionBias: fields.attention_bias,
    feedForwardBias: fields.mlp_bias,
    ...readRotary(fields),
  };
}

function readMistral(json: JsonObject): LlamaConfig {
  const fields = checkJson(mistralSchema, json, 'bad_config', place);
  return {
    ...readCommon(fields),
    activation: activationsByName[fields.hidden_act],
    ...readWindow(fields, () => fields.sliding_window !== null),
    ...readRotary(fields),
  };
}

function readQwen(fields: z.infer<typeof qwen2Schema>): LlamaConfig {
  const window = fields.use_sliding_window ? fields.sliding_window : null;
  return {
    ...readCommon(fields),
    activation: activationsByName[fields.hidden_act],
    ...readWindow({ ...fields, sliding_window: window }, (layer) => window !== null && layer >= fields.max_window_layers),
    ...readRotary(fields),
  };
}

function readQwen2(json: JsonObject): LlamaConfig {
  const fields = checkJson(qwen2Schema, json, 'bad_config', place);
  return { ...readQwen(fields), attentionBias: true, attentionOutputBias: false };
}

function readQwen3(json: JsonObject): LlamaConfig {
  const fields = checkJson(qwen3Schema, json, 'bad_config', place);
  return { ...readQwen(fields), attentionBias: fields.attention_bias, queryKeyNorm: true };
}

function readGemmaBase(fields: CommonFields & { readonly attention_bias: boolean }) {
  return { ...readCommon(fields), attentionBias: fields.attention_bias, scaledEmbedding: true, gainsLessOne: true } as const;
}

function readGemma(json: JsonObject): LlamaConfig {
  const fields = checkJson(gemmaSchema, json, 'bad_config', place);
  // The first releases say "gelu" and mean its tanh approximation, as transformers knows.
  const name = fields.hidden_activation ?? (fields.hidden_act === 'gelu' ? 'gelu_pytorch_tanh' : fields.hidden_act);
  return { ...readGemmaBase(fields), activation: activationsByName[name], ...readRotary(fields) };
}

function readGemma2Base(fields: z.infer<typeof gemma2Schema> | z.infer<typeof gemma3Schema>) {
  const logitSoftCap = fields.final_logit_softcapping;
  return {
    ...readGemmaBase(fields),
    activation: activationsByName[fields.hidden_activation],
    normsBehind: true,
    queryScalar: fields.query_pre_attn_scalar,
    ...(logitSoftCap === null ? {} : { logitSoftCap }),
  } as const;
}

function readGemma2(json: JsonObject): LlamaConfig {
  const fields = checkJson(gemma2Schema, json, 'bad_config', place);
  const softCap = fields.attn_logit_softcapping;
  return {
    ...readGemma2Base(fields),
    ...(softCap === null ? {} : { attentionSoftCap: softCap }),
    ...readWindow(fields, (layer) => layer % 2 === 0),
    ...readRotary(fields),
  };
}

function readGemma3(json: JsonObject): LlamaConfig {
  const fields = checkJson(gemma3Schema, json, 'bad_config', place);
  const window = readWindow(fields, (layer) => (layer + 1) % fields.sliding_window_pattern !== 0);
  const { slidingRotaryBase, ...rotary } = readLayeredRotary(fields);
  return {
    ...readGemma2Base(fields),
    queryKeyNorm: true,
    ...window,
    ...rotary,
    ...(window.slidingWindow === undefined ? {} : { slidingRotaryBase }),
  };
}

/** By the model type in config.json. */
export const llamaReaders = {
  llama: readLlama,
  mistral: readMistral,
  qwen2: readQwen2,
  qwen3: readQwen3,
  gemma: readGemma,
  gemma2: readGemma2,
  gemma3_text: readGemma3,
} as const satisfies Readonly<Record<string, (json: JsonObject) => LlamaConfig>>;

type LlamaType = keyof typeof llamaReaders;

const classes: { readonly [Type in LlamaType]: string } = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
  gemma: 'GemmaForCausalLM',
  gemma2: 'Gemma2ForCausalLM',
  gemma3_text: 'Gemma3ForCausalLM',
};

/**
 * The fields of config.json for a configuration. What a configuration computes says which model type it is: a Mistral without a window is a
 * Llama and is written as one.
 *
 * @throws AppError `bad_config` for a combination that no model type has
 */
export function writeLlama(config: LlamaConfig): Readonly<Record<string, unknown>> {
  const type = modelTypeOf(config);
  const written = { model_type: type, architectures: [classes[type]], ...writeCommon(config, type) };
  // Reading it back is the proof that the model type can say all of it.
  const lost = firstDifference(config, llamaReaders[type]({ ...jsonOf(written), ...tokensOf(config) }));
  if (lost === undefined) return written;
  const problem = `"${lost}" cannot be written: no Hugging Face model type has this combination; the nearest is ${type}`;
  throw new AppError('bad_config', `${config.architecture} config: ${problem}. Export to ONNX instead.`, { details: { field: lost } });
}

function modelTypeOf(config: LlamaConfig): LlamaType {
  if (config.gainsLessOne === true) {
    if (config.normsBehind !== true) return 'gemma';
    return config.queryKeyNorm === true ? 'gemma3_text' : 'gemma2';
  }
  if (config.queryKeyNorm === true) return 'qwen3';
  if (config.attentionBias && config.attentionOutputBias === false) return 'qwen2';
  return config.slidingWindow === undefined ? 'llama' : 'mistral';
}

function writeCommon(config: LlamaConfig, type: LlamaType): Readonly<Record<string, unknown>> {
  const act = activationNames[config.activation];
  return {
    vocab_size: config.vocabularySize,
    tie_word_embeddings: config.tiedHead,
    hidden_size: config.width,
    intermediate_size: config.feedForwardWidth,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headWidth,
    rms_norm_eps: config.normEpsilon,
    attention_dropout: 0,
    ...(type === 'gemma3_text' ? writeLayeredRotary(config) : writeRotary(config)),
    ...(type === 'gemma2' || type === 'gemma3_text' ? writeGemma2(config) : { hidden_act: act }),
    ...(type === 'gemma' ? { hidden_activation: act } : {}),
    ...(type === 'llama' ? { mlp_bias: config.feedForwardBias } : {}),
    ...(type === 'mistral' || type === 'qwen2' ? {} : { attention_bias: config.attentionBias }),
    ...(type === 'mistral' ? { sliding_window: config.slidingWindow?.size ?? null } : {}),
    ...(type === 'qwen2' || type === 'qwen3' ? writeQwenWindow(config) : {}),
  };
}

function typesOf({ layers, slidingWindow }: LlamaConfig): string[] {
  const isSliding = slidingWindow?.layers ?? [];
  return Array.from({ length: layers }, (_, layer) => (isSliding[layer] === true ? 'sliding_attention' : 'full_attention'));
}

function writeQwenWindow(config: LlamaConfig): Readonly<Record<string, unknown>> {
  const { slidingWindow, layers } = config;
  return {
    use_sliding_window: slidingWindow !== undefined,
    sliding_window: slidingWindow?.size ?? null,
    max_window_layers: layers,
    layer_types: typesOf(config),
  };
}

function writeGemma2(config: LlamaConfig): Readonly<Record<string, unknown>> {
  return {
    hidden_activation: activationNames[config.activation],
    query_pre_attn_scalar: config.queryScalar ?? config.headWidth,
    sliding_window: config.slidingWindow?.size ?? null,
    layer_types: typesOf(config),
    attn_logit_softcapping: config.attentionSoftCap ?? null,
    final_logit_softcapping: config.logitSoftCap ?? null,
  };
}

/** The token fields are written by the caller for all architectures. */
function tokensOf({ beginToken, endTokens }: LlamaConfig): JsonObject {
  return { eos_token_id: [...endTokens], ...(beginToken === undefined ? {} : { bos_token_id: beginToken }) };
}

function jsonOf(fields: object): JsonObject {
  return checkJson(z.record(z.string(), z.json()), JSON.parse(JSON.stringify(fields)), 'internal', place);
}

/** What a field that is absent means, where leaving it out and saying so are the same. */
function withDefaults(config: LlamaConfig): Readonly<Record<string, unknown>> {
  const { attentionBias, headWidth } = config;
  const flags = { queryKeyNorm: false, scaledEmbedding: false, gainsLessOne: false, normsBehind: false };
  return { ...flags, attentionOutputBias: attentionBias, queryScalar: headWidth, ...config };
}

function firstDifference(wanted: LlamaConfig, found: LlamaConfig): string | undefined {
  const [left, right] = [withDefaults(wanted), withDefaults(found)];
  const fields = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...fields].find((field) => !isDeepStrictEqual(left[field], right[field]));
}
