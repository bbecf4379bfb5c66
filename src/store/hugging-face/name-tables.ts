// Names of modules in Hugging Face checkpoints, one table an architecture of one stack.
import type { BertConfig, EncoderDecoderConfig, ModelConfig } from '#models';

export interface ModuleTable {
  /** In front of everything but the heads; checkpoints of the model without its head leave it out. */
  readonly prefix: string;
  readonly blocks: string;
  /** Our name -> theirs, for whole modules: inside a block, then outside. */
  readonly inBlock: Readonly<Record<string, string>>;
  readonly outside: Readonly<Record<string, string>>;
  /** The same for what stands outside the prefix: modules, or single parameters by their whole path. */
  readonly heads: Readonly<Record<string, string>>;
  readonly isLinear: boolean;
  /** Constant buffers that older releases stored, without the prefix, and parts that the task does not use. */
  readonly buffers: RegExp;
  /** Another name -> the name above, where checkpoints store one tensor under two names or only under the other. */
  readonly aliases?: Readonly<Record<string, string>>;
}

const generatingHead = { head: 'lm_head' } as const;

const gpt2: ModuleTable = {
  prefix: 'transformer.',
  blocks: 'h',
  inBlock: {
    ln1: 'ln_1',
    'attn.qkv': 'attn.c_attn',
    'attn.out': 'attn.c_proj',
    ln2: 'ln_2',
    'mlp.fc': 'mlp.c_fc',
    'mlp.proj': 'mlp.c_proj',
  },
  outside: { 'embed.token': 'wte', 'embed.position': 'wpe', norm: 'ln_f' },
  heads: generatingHead,
  isLinear: false,
  buffers: /^h\.\d+\.attn\.(bias|masked_bias)$/,
};

const llama: ModuleTable = {
  prefix: 'model.',
  blocks: 'layers',
  inBlock: {
    norm1: 'input_layernorm',
    'attn.q': 'self_attn.q_proj',
    'attn.k': 'self_attn.k_proj',
    'attn.v': 'self_attn.v_proj',
    'attn.qNorm': 'self_attn.q_norm',
    'attn.kNorm': 'self_attn.k_norm',
    'attn.out': 'self_attn.o_proj',
    norm2: 'post_attention_layernorm',
    'mlp.gate': 'mlp.gate_proj',
    'mlp.up': 'mlp.up_proj',
    'mlp.down': 'mlp.down_proj',
  },
  outside: { 'embed.token': 'embed_tokens', norm: 'norm' },
  heads: generatingHead,
  isLinear: true,
  buffers: /^(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/,
};

/** Where norms stand behind the parts too, the name of Llama's second norm means the one behind attention. */
const llamaWithNormsBehind: ModuleTable = {
  ...llama,
  inBlock: {
    ...llama.inBlock,
    norm1Behind: 'post_attention_layernorm',
    norm2: 'pre_feedforward_layernorm',
    norm2Behind: 'post_feedforward_layernorm',
  },
};

const encoderEmbeddings = {
  'embed.token': 'embeddings.word_embeddings',
  'embed.position': 'embeddings.position_embeddings',
  'embed.type': 'embeddings.token_type_embeddings',
  'embed.norm': 'embeddings.LayerNorm',
} as const;

const bertBlock = {
  'attn.q': 'attention.self.query',
  'attn.k': 'attention.self.key',
  'attn.v': 'attention.self.value',
  'attn.out': 'attention.output.dense',
  ln1: 'attention.output.LayerNorm',
  'mlp.fc': 'intermediate.dense',
  'mlp.proj': 'output.dense',
  ln2: 'output.LayerNorm',
} as const;

/** Heads that the task of a checkpoint has no use for, and the numbers of positions. */
const unusedByEncoders =
  /^(embeddings\.(position_ids|token_type_ids)|pooler(\.dense)?\.(weight|bias)|(cls|lm_head|predictions|sop_classifier|classifier)\..*|(vocab_transform|vocab_layer_norm|vocab_projector|pre_classifier)\.(weight|bias))$/;

/** The bias over the vocabulary has two names, of which the model uses the decoder's; tied they are one. */
function vocabularyHead(module: string, isTied: boolean): Pick<ModuleTable, 'heads' | 'aliases'> {
  const [own, decoders] = [`${module}.bias`, `${module}.decoder.bias`];
  const [used, other] = isTied ? [own, decoders] : [decoders, own];
  return { heads: { 'head.weight': `${module}.decoder.weight`, 'head.bias': used }, aliases: { [other]: used } };
}

function bertFamily({ family, tiedHead }: BertConfig): ModuleTable {
  const common = { isLinear: true, buffers: unusedByEncoders } as const;
  if (family === 'distilbert')
    return {
      ...common,
      prefix: 'distilbert.',
      blocks: 'transformer.layer',
      inBlock: {
        'attn.q': 'attention.q_lin',
        'attn.k': 'attention.k_lin',
        'attn.v': 'attention.v_lin',
        'attn.out': 'attention.out_lin',
        ln1: 'sa_layer_norm',
        'mlp.fc': 'ffn.lin1',
        'mlp.proj': 'ffn.lin2',
        ln2: 'output_layer_norm',
      },
      outside: encoderEmbeddings,
      heads: {
        transform: 'vocab_transform',
        'transform.norm': 'vocab_layer_norm',
        head: 'vocab_projector',
        pooler: 'pre_classifier',
        classifier: 'classifier',
      },
    };
  const module = family === 'roberta' ? 'lm_head' : 'cls.predictions';
  const { heads, aliases } = vocabularyHead(module, tiedHead);
  const table = { ...common, blocks: 'encoder.layer', inBlock: bertBlock, outside: encoderEmbeddings, ...(aliases && { aliases }) };
  if (family === 'roberta')
    return {
      ...table,
      prefix: 'roberta.',
      heads: {
        ...heads,
        transform: 'lm_head.dense',
        'transform.norm': 'lm_head.layer_norm',
        pooler: 'classifier.dense',
        classifier: 'classifier.out_proj',
      },
    };
  return {
    ...table,
    prefix: 'bert.',
    heads: {
      ...heads,
      transform: 'cls.predictions.transform.dense',
      'transform.norm': 'cls.predictions.transform.LayerNorm',
      pooler: 'bert.pooler.dense',
      classifier: 'classifier',
    },
  };
}

function albert(isTied: boolean): ModuleTable {
  const { heads, aliases } = vocabularyHead('predictions', isTied);
  return {
    prefix: 'albert.',
    blocks: 'encoder.albert_layer_groups.0.albert_layers',
    inBlock: {
      'attn.q': 'attention.query',
      'attn.k': 'attention.key',
      'attn.v': 'attention.value',
      'attn.out': 'attention.dense',
      ln1: 'attention.LayerNorm',
      'mlp.fc': 'ffn',
      'mlp.proj': 'ffn_output',
      ln2: 'full_layer_layer_norm',
    },
    outside: { ...encoderEmbeddings, 'embed.project': 'encoder.embedding_hidden_mapping_in' },
    heads: {
      ...heads,
      transform: 'predictions.dense',
      'transform.norm': 'predictions.LayerNorm',
      pooler: 'albert.pooler',
      classifier: 'classifier',
    },
    isLinear: true,
    buffers: unusedByEncoders,
    ...(aliases && { aliases }),
  };
}

export function moduleTable(config: Exclude<ModelConfig, EncoderDecoderConfig>): ModuleTable {
  switch (config.architecture) {
    case 'gpt2':
      return gpt2;
    case 'llama':
      return config.normsBehind === true ? llamaWithNormsBehind : llama;
    case 'bert':
      return bertFamily(config);
    case 'albert':
      return albert(config.tiedHead);
  }
}
