// config.json of encoder-decoders, both ways: BART, mBART, Pegasus, Marian, T5, two BERTs or RoBERTas, and ours for those that transformers has no class for.
import { z } from 'zod';
import { AppError } from '#base';
import type { EncoderDecoderConfig, EncoderSizes, ModelConfig } from '#models';
import { checkJson, type JsonObject } from '../json.ts';
import {
  activation,
  activationsByName,
  badField,
  depth,
  place,
  readTokens,
  requireMultiple,
  size,
  token,
  tokens,
} from './config-fields.ts';
import { type Family, familyOf, layerNormEpsilon, type Seq2SeqFamily, seq2seqShapes } from './encoder-decoder-family.ts';
import { ownType, readOwn } from './own-config.ts';

/** T5 has no largest position; this many keep tables and sizes within reason. */
const t5Positions = 1 << 20;

const seq2seqSchema = z.object({
  vocab_size: size,
  decoder_vocab_size: size.nullish(),
  share_encoder_decoder_embeddings: z.boolean().nullish(),
  d_model: size,
  max_position_embeddings: size.default(1024),
  encoder_layers: depth,
  encoder_attention_heads: size,
  encoder_ffn_dim: size,
  decoder_layers: depth,
  decoder_attention_heads: size,
  decoder_ffn_dim: size,
  activation_function: activation.default('gelu'),
  scale_embedding: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
  decoder_start_token_id: token.nullish(),
  pad_token_id: token.nullish(),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
  // Ours: transformers always has the bias, zeros where the checkpoint has none.
  has_final_logits_bias: z.boolean().default(true),
});

const t5Schema = z.object({
  vocab_size: size,
  d_model: size,
  d_kv: size,
  d_ff: size,
  num_layers: depth,
  num_decoder_layers: depth.nullish(),
  num_heads: size,
  relative_attention_num_buckets: size.default(32),
  relative_attention_max_distance: size.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  feed_forward_proj: z.string().default('relu'),
  tie_word_embeddings: z.boolean().nullish(),
  scale_decoder_outputs: z.boolean().nullish(),
  // Ours: T5 itself has no largest position.
  max_positions: size.default(t5Positions),
  decoder_start_token_id: token.nullish(),
  pad_token_id: token.nullish(),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
});

const anyToken = { exists: () => true };

/** transformers starts the target with this field, else with the begin token. */
function startTokenOf(fields: { decoder_start_token_id?: number | null | undefined; bos_token_id?: number | null | undefined }): number {
  const start = fields.decoder_start_token_id ?? fields.bos_token_id;
  if (start == null) throw badField('decoder_start_token_id', 'is missing; the decoder needs a token to begin with');
  return start;
}

function readSeq2Seq(family: Seq2SeqFamily, json: JsonObject): EncoderDecoderConfig {
  const fields = checkJson(seq2seqSchema, json, 'bad_config', place);
  const { d_model: width, decoder_attention_heads: heads, encoder_attention_heads: encoderHeads } = fields;
  requireMultiple('d_model', width, 'decoder_attention_heads', heads);
  requireMultiple('d_model', width, 'encoder_attention_heads', encoderHeads);
  const isShared = family !== 'marian' || (fields.share_encoder_decoder_embeddings ?? true);
  const vocabularySize = isShared ? fields.vocab_size : (fields.decoder_vocab_size ?? fields.vocab_size);
  return {
    architecture: 'encoderDecoder',
    vocabularySize,
    ...(isShared ? {} : { sourceVocabularySize: fields.vocab_size }),
    width,
    layers: fields.decoder_layers,
    heads,
    headWidth: width / heads,
    feedForwardWidth: fields.decoder_ffn_dim,
    encoder: {
      layers: fields.encoder_layers,
      heads: encoderHeads,
      headWidth: width / encoderHeads,
      feedForwardWidth: fields.encoder_ffn_dim,
    },
    maxPositions: fields.max_position_embeddings,
    tiedHead: fields.tie_word_embeddings,
    normEpsilon: layerNormEpsilon,
    norm: 'layer',
    ...seq2seqShapes[family],
    biases: true,
    headBias: fields.has_final_logits_bias,
    scaledEmbedding: fields.scale_embedding,
    scaledScores: true,
    scaledHead: false,
    gated: false,
    activation: activationsByName[fields.activation_function],
    startToken: startTokenOf(fields),
    padToken: fields.pad_token_id ?? 0,
    ...readTokens({ ...fields, vocab_size: vocabularySize, ...anyToken }),
  };
}

function readT5(json: JsonObject): EncoderDecoderConfig {
  const fields = checkJson(t5Schema, json, 'bad_config', place);
  const { num_heads: heads, d_kv: headWidth, d_ff: feedForwardWidth } = fields;
  const gated = fields.feed_forward_proj.startsWith('gated-');
  const named = fields.feed_forward_proj.replace(/^gated-/, '');
  const known = activation.safeParse(named);
  if (!known.success)
    throw badField('feed_forward_proj', `"${fields.feed_forward_proj}" is not an activation that we have, with or without "gated-"`);
  // T5 says "gated-gelu" and means the tanh form.
  const activationName = gated && known.data === 'gelu' ? 'gelu_new' : known.data;
  const padToken = fields.pad_token_id ?? 0;
  return {
    architecture: 'encoderDecoder',
    vocabularySize: fields.vocab_size,
    width: fields.d_model,
    layers: fields.num_decoder_layers ?? fields.num_layers,
    heads,
    headWidth,
    feedForwardWidth,
    encoder: { layers: fields.num_layers, heads, headWidth, feedForwardWidth },
    maxPositions: fields.max_positions,
    tiedHead: fields.tie_word_embeddings ?? true,
    normEpsilon: fields.layer_norm_epsilon,
    norm: 'rms',
    normPlacement: 'before',
    embeddingNorm: false,
    finalNorm: true,
    positions: { kind: 'relative', buckets: fields.relative_attention_num_buckets, maxDistance: fields.relative_attention_max_distance },
    biases: false,
    headBias: false,
    scaledEmbedding: false,
    scaledScores: false,
    // Version 1.1 unties the head and leaves the scale out; releases before 5 keep both facts in the one field.
    scaledHead: fields.scale_decoder_outputs ?? fields.tie_word_embeddings ?? true,
    gated,
    activation: activationsByName[activationName],
    startToken: fields.decoder_start_token_id ?? padToken,
    padToken,
    ...readTokens({ ...fields, ...anyToken }),
  };
}

const bertSchema = z.object({
  model_type: z.enum(['bert', 'roberta']),
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: depth,
  num_attention_heads: size,
  intermediate_size: size,
  hidden_act: activation.default('gelu'),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  tie_word_embeddings: z.boolean().default(true),
  pad_token_id: token.nullish(),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
});

/** What both stacks have in common here. */
const alikeInBerts = ['model_type', 'hidden_size', 'hidden_act', 'max_position_embeddings', 'type_vocab_size', 'layer_norm_eps'] as const;
const robertaHeadActivation = 'gelu';

const bertsSchema = z.object({
  encoder: bertSchema,
  decoder: bertSchema,
  tie_word_embeddings: z.boolean().nullish(),
  decoder_start_token_id: token.nullish(),
  pad_token_id: token.nullish(),
  bos_token_id: token.nullish(),
  eos_token_id: tokens,
});

/** EncoderDecoderModel of two BERTs or two RoBERTas; the decoder has attention to the encoder. */
function readBerts(json: JsonObject): EncoderDecoderConfig {
  const { encoder, decoder, ...top } = checkJson(bertsSchema, json, 'bad_config', place);
  const { hidden_size: width, num_attention_heads: heads } = decoder;
  for (const field of alikeInBerts)
    if (encoder[field] !== decoder[field])
      throw badField(`decoder.${field}`, `${decoder[field]} differs from the encoder's ${encoder[field]}; that is not supported`);
  const isRoberta = decoder.model_type === 'roberta';
  if (isRoberta && decoder.hidden_act !== robertaHeadActivation)
    throw badField(
      'decoder.hidden_act',
      `RoBERTa's head is always ${robertaHeadActivation}; "${decoder.hidden_act}" is not supported here`,
    );
  // RoBERTa counts positions from the row behind that of its padding token.
  const offset = isRoberta ? (decoder.pad_token_id ?? 1) + 1 : 0;
  if (decoder.max_position_embeddings <= offset)
    throw badField('decoder.max_position_embeddings', `${decoder.max_position_embeddings} leaves no position behind the padding`);
  requireMultiple('decoder.hidden_size', width, 'decoder.num_attention_heads', heads);
  requireMultiple('encoder.hidden_size', width, 'encoder.num_attention_heads', encoder.num_attention_heads);
  const eos = top.eos_token_id ?? decoder.eos_token_id;
  const bos = top.bos_token_id ?? decoder.bos_token_id;
  return {
    architecture: 'encoderDecoder',
    vocabularySize: decoder.vocab_size,
    sourceVocabularySize: encoder.vocab_size,
    width,
    layers: decoder.num_hidden_layers,
    heads,
    headWidth: width / heads,
    feedForwardWidth: decoder.intermediate_size,
    encoder: {
      layers: encoder.num_hidden_layers,
      heads: encoder.num_attention_heads,
      headWidth: width / encoder.num_attention_heads,
      feedForwardWidth: encoder.intermediate_size,
    },
    maxPositions: decoder.max_position_embeddings - offset,
    tiedHead: top.tie_word_embeddings ?? decoder.tie_word_embeddings,
    normEpsilon: decoder.layer_norm_eps,
    norm: 'layer',
    normPlacement: 'after',
    embeddingNorm: true,
    finalNorm: false,
    positions: { kind: 'learned', offset },
    biases: true,
    headBias: true,
    scaledEmbedding: false,
    scaledScores: true,
    scaledHead: false,
    gated: false,
    activation: activationsByName[decoder.hidden_act],
    tokenTypes: decoder.type_vocab_size,
    headTransform: true,
    startToken: startTokenOf({ decoder_start_token_id: top.decoder_start_token_id, bos_token_id: bos }),
    padToken: isRoberta ? offset - 1 : (top.pad_token_id ?? decoder.pad_token_id ?? 0),
    ...readTokens({ vocab_size: decoder.vocab_size, bos_token_id: bos, eos_token_id: eos, ...anyToken }),
  };
}

/** By `model_type`. */
export const encoderDecoderReaders: Readonly<Record<string, (json: JsonObject) => ModelConfig>> = {
  bart: (json) => readSeq2Seq('bart', json),
  mbart: (json) => readSeq2Seq('mbart', json),
  pegasus: (json) => readSeq2Seq('pegasus', json),
  marian: (json) => readSeq2Seq('marian', json),
  t5: readT5,
  'encoder-decoder': readBerts,
  [ownType]: readOwn,
};

const activationNames = { geluTanh: 'gelu_new', gelu: 'gelu', relu: 'relu', silu: 'silu' } as const;

const classNames = {
  bart: 'BartForConditionalGeneration',
  mbart: 'MBartForConditionalGeneration',
  pegasus: 'PegasusForConditionalGeneration',
  marian: 'MarianMTModel',
  t5: 'T5ForConditionalGeneration',
  'encoder-decoder': 'EncoderDecoderModel',
} as const satisfies Readonly<Record<Family, string>>;

export function writeEncoderDecoder(config: EncoderDecoderConfig): object {
  const family = familyOf(config);
  if (family === undefined) return { model_type: ownType, athanor: config };
  const common = {
    model_type: family,
    architectures: [classNames[family]],
    is_encoder_decoder: true,
    d_model: config.width,
    pad_token_id: config.padToken,
    decoder_start_token_id: config.startToken,
  };
  if (family === 'encoder-decoder') {
    const { d_model: _width, ...shared } = common;
    return { ...shared, ...writeBerts(config) };
  }
  return family === 't5' ? { ...common, ...writeT5(config) } : { ...common, ...writeSeq2Seq(family, config) };
}

function writeT5(config: EncoderDecoderConfig): object {
  const { positions, activation: name, gated } = config;
  if (positions.kind !== 'relative') throw new AppError('internal', 'T5 has relative positions.');
  const projection = gated && name === 'geluTanh' ? 'gelu' : activationNames[name];
  return {
    num_layers: config.encoder.layers,
    num_decoder_layers: config.layers,
    num_heads: config.heads,
    d_kv: config.headWidth,
    d_ff: config.feedForwardWidth,
    relative_attention_num_buckets: positions.buckets,
    relative_attention_max_distance: positions.maxDistance,
    layer_norm_epsilon: config.normEpsilon,
    feed_forward_proj: gated ? `gated-${projection}` : projection,
    scale_decoder_outputs: config.scaledHead,
    ...(config.maxPositions === t5Positions ? {} : { max_positions: config.maxPositions }),
    dropout_rate: 0,
  };
}

function writeBerts(config: EncoderDecoderConfig): object {
  const { positions } = config;
  const offset = positions.kind === 'learned' ? positions.offset : 0;
  const common = {
    model_type: offset === 0 ? 'bert' : 'roberta',
    hidden_size: config.width,
    hidden_act: activationNames[config.activation],
    max_position_embeddings: config.maxPositions + offset,
    type_vocab_size: config.tokenTypes,
    layer_norm_eps: config.normEpsilon,
    tie_word_embeddings: config.tiedHead,
    pad_token_id: config.padToken,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
  };
  const side = (vocabularySize: number, { layers, heads, feedForwardWidth }: Omit<EncoderSizes, 'headWidth'>): object => ({
    ...common,
    vocab_size: vocabularySize,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: feedForwardWidth,
  });
  return {
    encoder: side(config.sourceVocabularySize ?? config.vocabularySize, config.encoder),
    decoder: { ...side(config.vocabularySize, config), is_decoder: true, add_cross_attention: true },
  };
}

function writeSeq2Seq(family: Seq2SeqFamily, config: EncoderDecoderConfig): object {
  const { sourceVocabularySize, vocabularySize, encoder } = config;
  const vocabularies = {
    vocab_size: sourceVocabularySize ?? vocabularySize,
    decoder_vocab_size: vocabularySize,
    share_encoder_decoder_embeddings: sourceVocabularySize === undefined,
  };
  return {
    ...(family === 'marian' ? vocabularies : {}),
    max_position_embeddings: config.maxPositions,
    encoder_layers: encoder.layers,
    encoder_attention_heads: encoder.heads,
    encoder_ffn_dim: encoder.feedForwardWidth,
    decoder_layers: config.layers,
    decoder_attention_heads: config.heads,
    decoder_ffn_dim: config.feedForwardWidth,
    activation_function: activationNames[config.activation],
    scale_embedding: config.scaledEmbedding,
    ...(config.headBias ? {} : { has_final_logits_bias: false }),
    // What the decoder says last is the generation's choice, not the model's.
    forced_eos_token_id: null,
    dropout: 0,
    attention_dropout: 0,
    activation_dropout: 0,
  };
}
