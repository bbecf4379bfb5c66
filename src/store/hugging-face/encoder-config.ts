// config.json of BERT, RoBERTa, DistilBERT and ALBERT, both ways.
import { z } from 'zod';
import { AppError } from '#base';
import type { AlbertConfig, BertConfig, EncoderTask } from '#models';
import { checkJson, type JsonObject } from '../json.ts';
import { depth, size } from './config-fields.ts';

type EncoderConfig = BertConfig | AlbertConfig;

export type EncoderType = BertConfig['family'] | 'albert';

const place = 'config.json';

/** As the classes of transformers begin. */
const classPrefixes: Readonly<Record<EncoderType, string>> = {
  bert: 'Bert',
  roberta: 'Roberta',
  distilbert: 'DistilBert',
  albert: 'Albert',
};

const activationsByName = {
  gelu: 'gelu',
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
} as const;
const activationNames = { gelu: 'gelu', geluTanh: 'gelu_new', relu: 'relu', silu: 'silu' } as const;

const token = z.int().nonnegative();
const activation = z.enum(['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu', 'silu', 'swish']);
const only = <Value extends boolean | string | number>(value: Value) => z.literal(value).nullish();

/** More are no classifier's. */
const mostLabels = 100_000;

const sharedFields = {
  architectures: z.array(z.string()).nullish(),
  vocab_size: size,
  tie_word_embeddings: z.boolean().default(true),
  id2label: z.record(z.string(), z.string()).nullish(),
  num_labels: size.max(mostLabels).nullish(),
  problem_type: z.literal('single_label_classification').nullish(),
  sentence_embedding: z.object({ pooling: z.enum(['mean', 'first']), normalize: z.boolean(), max_tokens: size.optional() }).nullish(),
};

const bertFields = {
  ...sharedFields,
  hidden_size: size,
  num_hidden_layers: depth,
  num_attention_heads: size,
  intermediate_size: size,
  max_position_embeddings: size.default(512),
  type_vocab_size: z.int().nonnegative().default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  position_embedding_type: only('absolute'),
  is_decoder: only(false),
  add_cross_attention: only(false),
};

const bertSchema = z.object({ ...bertFields, hidden_act: activation.default('gelu'), pad_token_id: token.nullish() });
const albertSchema = z.object({
  ...bertFields,
  hidden_act: activation.default('gelu_new'),
  embedding_size: size.default(128),
  num_hidden_groups: z.int().default(1),
  inner_group_num: z.int().default(1),
  pad_token_id: token.nullish(),
});
const distilbertSchema = z.object({
  ...sharedFields,
  dim: size,
  n_layers: depth,
  n_heads: size,
  hidden_dim: size,
  activation: activation.default('gelu'),
  max_position_embeddings: size.default(512),
  pad_token_id: token.nullish(),
});

/** transformers fixes it in the code of DistilBERT. */
const distilbertEpsilon = 1e-12;

function badField(field: string, problem: string): AppError {
  return new AppError('bad_config', `${place}: ${field}: ${problem}. Correct the field.`, { details: { field } });
}

/** @throws AppError `bad_config` naming the field */
export function readEncoderConfig(type: EncoderType, json: JsonObject): EncoderConfig {
  if (type === 'distilbert') return readDistilBert(json);
  return type === 'albert' ? readAlbert(json) : readBert(type, json);
}

function readBert(family: 'bert' | 'roberta', json: JsonObject): BertConfig {
  const fields = checkJson(bertSchema, json, 'bad_config', place);
  const padToken = fields.pad_token_id ?? (family === 'roberta' ? 1 : 0);
  const maxPositions = fields.max_position_embeddings - (family === 'roberta' ? padToken + 1 : 0);
  if (maxPositions < 1)
    throw badField('max_position_embeddings', `${fields.max_position_embeddings} leaves no position behind the padding`);
  return { architecture: 'bert', family, ...readCommon(family, fields, padToken), maxPositions };
}

function readAlbert(json: JsonObject): AlbertConfig {
  const fields = checkJson(albertSchema, json, 'bad_config', place);
  for (const field of ['num_hidden_groups', 'inner_group_num'] as const)
    if (fields[field] !== 1) throw badField(field, `${fields[field]} groups of layers are not supported, only 1`);
  const common = readCommon('albert', fields, fields.pad_token_id ?? 0);
  return { architecture: 'albert', ...common, maxPositions: fields.max_position_embeddings, embeddingWidth: fields.embedding_size };
}

function readDistilBert(json: JsonObject): BertConfig {
  const fields = checkJson(distilbertSchema, json, 'bad_config', place);
  const named = {
    ...fields,
    hidden_size: fields.dim,
    num_hidden_layers: fields.n_layers,
    num_attention_heads: fields.n_heads,
    intermediate_size: fields.hidden_dim,
    hidden_act: fields.activation,
    type_vocab_size: 0,
    layer_norm_eps: distilbertEpsilon,
  };
  const common = readCommon('distilbert', named, fields.pad_token_id ?? 0);
  return { architecture: 'bert', family: 'distilbert', ...common, maxPositions: fields.max_position_embeddings };
}

type CommonFields = Omit<z.infer<typeof bertSchema>, 'max_position_embeddings'>;

function readCommon(
  type: EncoderType,
  fields: CommonFields,
  padToken: number,
): Omit<BertConfig, 'architecture' | 'family' | 'maxPositions'> {
  if (fields.hidden_size % fields.num_attention_heads !== 0)
    throw badField('hidden_size', `${fields.hidden_size} is not a multiple of num_attention_heads ${fields.num_attention_heads}`);
  if (padToken >= fields.vocab_size) throw badField('pad_token_id', `${padToken} is outside the vocabulary 0..${fields.vocab_size - 1}`);
  return {
    vocabularySize: fields.vocab_size,
    width: fields.hidden_size,
    layers: fields.num_hidden_layers,
    heads: fields.num_attention_heads,
    feedForwardWidth: fields.intermediate_size,
    tiedHead: fields.tie_word_embeddings,
    normEpsilon: fields.layer_norm_eps,
    endTokens: [],
    activation: activationsByName[fields.hidden_act],
    tokenTypes: fields.type_vocab_size,
    padToken,
    task: readTask(type, fields),
  };
}

/** The class that the checkpoint was saved from says what head it has; without one it is the bare encoder. */
function readTask(type: EncoderType, fields: CommonFields): EncoderTask {
  const prefix = classPrefixes[type];
  const name = fields.architectures?.[0] ?? `${prefix}Model`;
  const suffix = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  if (suffix === 'Model') return readEmbedding(fields);
  if (suffix === 'ForMaskedLM' || suffix === 'ForPreTraining') return { kind: 'masked' };
  if (suffix === 'ForSequenceClassification') return { kind: 'classify', labels: readLabels(fields) };
  const known = ['Model', 'ForMaskedLM', 'ForPreTraining', 'ForSequenceClassification'].map((each) => prefix + each).join(', ');
  throw badField('architectures', `"${name}" is not supported; supported are ${known}`);
}

function readEmbedding({ sentence_embedding: fields }: CommonFields): EncoderTask {
  const { pooling, normalize, max_tokens: maxTokens } = fields ?? { pooling: 'mean', normalize: false };
  return { kind: 'embed', pooling, normalize, ...(maxTokens === undefined ? {} : { maxTokens }) };
}

function readLabels({ id2label, num_labels: count }: CommonFields): string[] {
  // transformers leaves its default of two labels out.
  const names = id2label ?? Object.fromEntries(Array.from({ length: count ?? 2 }, (_, index) => [String(index), `LABEL_${index}`]));
  const labels = Object.entries(names)
    .sort(([left], [right]) => Number(left) - Number(right))
    .map(([, name]) => name);
  if (Object.keys(names).some((key) => !(Number(key) >= 0 && Number(key) < labels.length)))
    throw badField('id2label', 'its keys must count from 0');
  if (labels.length < 2) throw badField('id2label', `${labels.length} label is a regression, which is not supported; name at least two`);
  return labels;
}

function encoderType(config: EncoderConfig): EncoderType {
  return config.architecture === 'albert' ? 'albert' : config.family;
}

/** The fields of config.json that are the encoder's own. */
export function writeEncoderConfig(config: EncoderConfig): object {
  const type = encoderType(config);
  const suffix = { embed: 'Model', masked: 'ForMaskedLM', classify: 'ForSequenceClassification' }[config.task.kind];
  const common = {
    model_type: type,
    architectures: [`${classPrefixes[type]}${suffix}`],
    pad_token_id: config.padToken,
    use_cache: false,
    ...writeTask(config.task),
  };
  if (type === 'distilbert')
    return {
      ...common,
      dim: config.width,
      n_layers: config.layers,
      n_heads: config.heads,
      hidden_dim: config.feedForwardWidth,
      activation: activationNames[config.activation],
      max_position_embeddings: config.maxPositions,
      sinusoidal_pos_embds: false,
      dropout: 0,
      attention_dropout: 0,
      seq_classif_dropout: 0,
    };
  return {
    ...common,
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.feedForwardWidth,
    hidden_act: activationNames[config.activation],
    max_position_embeddings: config.maxPositions + (type === 'roberta' ? config.padToken + 1 : 0),
    type_vocab_size: config.tokenTypes,
    layer_norm_eps: config.normEpsilon,
    position_embedding_type: 'absolute',
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    ...(config.architecture === 'albert'
      ? { embedding_size: config.embeddingWidth, num_hidden_groups: 1, inner_group_num: 1, classifier_dropout_prob: 0 }
      : { classifier_dropout: 0 }),
  };
}

function writeTask(task: EncoderTask): object {
  if (task.kind === 'embed') {
    const { pooling, normalize, maxTokens } = task;
    return { sentence_embedding: { pooling, normalize, ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }) } };
  }
  if (task.kind === 'masked') return {};
  return {
    problem_type: 'single_label_classification',
    id2label: Object.fromEntries(task.labels.map((label, index) => [String(index), label])),
    label2id: Object.fromEntries(task.labels.map((label, index) => [label, index])),
  };
}
