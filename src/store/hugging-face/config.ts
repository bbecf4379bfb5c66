// Hugging Face's config.json and our ModelConfig, both ways.

import { z } from 'zod';
import { AppError } from '#base';
import { checkConfig, type Gpt2Config, type LlamaConfig, type ModelConfig } from '#models';
import { checkJson, type JsonObject } from '../json.ts';
import { encoderDecoderReaders, writeEncoderDecoder } from './encoder-decoder-config.ts';
import {
  activation,
  activationsByName,
  badField,
  only,
  place,
  readTokens,
  requireMultiple,
  size,
  token,
  tokens,
  writeEndTokens,
} from './fields.ts';
import { readRotary, rotarySchema, writeRotary } from './rotary.ts';

const gpt2Names = { geluTanh: 'gelu_new', gelu: 'gelu', relu: 'relu', silu: 'silu' } as const;
const llamaNames = { geluTanh: 'gelu_pytorch_tanh', gelu: 'gelu', silu: 'silu' } as const;

const gpt2Schema = z.object({
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: size,
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
});

const llamaSchema = z.object({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: activation.exclude(['relu']).default('silu'),
  max_position_embeddings: size.default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
  rope_scaling: rotarySchema.nullish(),
  rope_parameters: rotarySchema.nullish(),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
});

/** The identifier that transformers' GPT-2 config gives to both ends of a text when nobody chose one. */
const gpt2DefaultToken = 50_256;

function readGpt2(json: JsonObject): Gpt2Config {
  const fields = checkJson(gpt2Schema, json, 'bad_config', place);
  requireMultiple('n_embd', fields.n_embd, 'n_head', fields.n_head);
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
    ...readTokens({ ...fields, exists }),
  };
}

function readLlama(json: JsonObject): LlamaConfig {
  const fields = checkJson(llamaSchema, json, 'bad_config', place);
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
    activation: activationsByName[fields.hidden_act],
    attentionBias: fields.attention_bias,
    feedForwardBias: fields.mlp_bias,
    ...readRotary(fields),
    ...readTokens({ ...fields, exists: () => true }),
  };
}

/** By `model_type`. */
const readers: Readonly<Record<string, (json: JsonObject) => ModelConfig>> = { gpt2: readGpt2, llama: readLlama, ...encoderDecoderReaders };

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
  const config = reader(fields);
  checkConfig(config);
  return config;
}

/** config.json for a configuration; `dtype` is what transformers loads the weights as. */
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
  };
  return toJson({ ...common, ...writeArchitecture(config) });
}

function writeArchitecture(config: ModelConfig): object {
  if (config.architecture === 'gpt2') return writeGpt2(config);
  return config.architecture === 'llama' ? writeLlama(config) : writeEncoderDecoder(config);
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

function writeLlama(config: LlamaConfig): object {
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: config.width,
    intermediate_size: config.feedForwardWidth,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headWidth,
    hidden_act: llamaNames[config.activation],
    rms_norm_eps: config.normEpsilon,
    attention_bias: config.attentionBias,
    mlp_bias: config.feedForwardBias,
    attention_dropout: 0,
    ...writeRotary(config),
  };
}

function toJson(fields: object): JsonObject {
  return checkJson(z.record(z.string(), z.json()), JSON.parse(JSON.stringify(fields)), 'internal', place);
}
