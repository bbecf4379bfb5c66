// Names of the tensors of encoder-decoders in Hugging Face checkpoints.
import { invariant } from '#base';
import type { EncoderDecoderConfig, ParameterSpec } from '#models';
import { familyOf } from './encoder-decoder-family.ts';

/** Where a model's parameters are in checkpoints. */
export interface NameTable {
  /** In front of everything but the head; checkpoints of the model without its head leave it out. */
  readonly prefix: string;
  /** Full name of a parameter. */
  readonly nameOf: (spec: ParameterSpec) => string;
  readonly isTransposed: (spec: ParameterSpec) => boolean;
  /** Constant buffers that older releases stored, without the prefix, and parts that the task does not use. */
  readonly buffers: RegExp;
  /** Full names of tensors that are stored a second time, and the path of the parameter that they equal. */
  readonly copies: ReadonlyMap<string, string>;
  /** Another name -> that of `nameOf`, where checkpoints store one tensor under two names or only under the other. */
  readonly aliases?: Readonly<Record<string, string>>;
}

const headName = 'lm_head.weight';
export const headPath = 'head.weight';
export const embeddingPath = 'embed.token.weight';

export function encoderDecoderTable(config: EncoderDecoderConfig): NameTable {
  const family = familyOf(config);
  if (family === 't5') return t5Table(config);
  return family === 'encoder-decoder' ? bertsTable(config) : seq2seqTable(config);
}

/** `encoder.h.3.attn.q.weight` -> side, layer (none outside the blocks), `attn.q`, `.weight`. */
function stackParts(path: string): {
  readonly side: string;
  readonly layer: string | undefined;
  readonly module: string;
  readonly ending: string;
} {
  const [, side, layer, module, ending] = /^(encoder|decoder)\.(?:h\.(\d+)\.)?(.+?)(\.\w+)$/.exec(path) ?? [];
  invariant(side !== undefined && module !== undefined && ending !== undefined, `${path} belongs to a stack`);
  return { side, layer, module, ending };
}

function theirName(modules: Readonly<Record<string, string>>, module: string, path: string): string {
  const theirs = modules[module];
  invariant(theirs !== undefined, `${path} has a name in Hugging Face checkpoints`);
  return theirs;
}

const seq2seqModules: Readonly<Record<string, string>> = {
  'attn.q': 'self_attn.q_proj',
  'attn.k': 'self_attn.k_proj',
  'attn.v': 'self_attn.v_proj',
  'attn.out': 'self_attn.out_proj',
  'attn.norm': 'self_attn_layer_norm',
  'cross.q': 'encoder_attn.q_proj',
  'cross.k': 'encoder_attn.k_proj',
  'cross.v': 'encoder_attn.v_proj',
  'cross.out': 'encoder_attn.out_proj',
  'cross.norm': 'encoder_attn_layer_norm',
  'mlp.fc': 'fc1',
  'mlp.proj': 'fc2',
  'mlp.norm': 'final_layer_norm',
  'embed.norm': 'layernorm_embedding',
  position: 'embed_positions',
  norm: 'layer_norm',
};

/** BART, mBART, Pegasus and Marian. */
function seq2seqTable(config: EncoderDecoderConfig): NameTable {
  const isShared = config.sourceVocabularySize === undefined;
  const sideTable = (side: string): string => `model.${side}.embed_tokens.weight`;
  const fixed: Readonly<Record<string, string>> = {
    [headPath]: headName,
    'head.bias': 'final_logits_bias',
    [embeddingPath]: isShared ? 'model.shared.weight' : sideTable('decoder'),
    'embed.source.weight': sideTable('encoder'),
  };
  const copies = new Map<string, string>(isShared ? ['encoder', 'decoder'].map((side) => [sideTable(side), embeddingPath]) : []);
  if (config.tiedHead) copies.set(headName, embeddingPath);
  return {
    prefix: 'model.',
    nameOf({ path }) {
      const known = fixed[path];
      if (known !== undefined) return known;
      const { side, layer, module, ending } = stackParts(path);
      const block = layer === undefined ? '' : `layers.${layer}.`;
      return `model.${side}.${block}${theirName(seq2seqModules, module, path)}${ending}`;
    },
    isTransposed: ({ role }) => role === 'linear',
    buffers:
      config.positions.kind === 'sinusoidal'
        ? /^((en|de)coder\.embed_positions\.weight|(en|de)coder\.version)$/
        : /^(en|de)coder\.version$/,
    copies,
  };
}

const t5Modules: Readonly<Record<string, string>> = { q: 'q', k: 'k', v: 'v', out: 'o', proj: 'wo' };

function t5Table(config: EncoderDecoderConfig): NameTable {
  const copies = new Map(['encoder', 'decoder'].map((side) => [`${side}.embed_tokens.weight`, embeddingPath]));
  if (config.tiedHead) copies.set(headName, embeddingPath);
  return {
    prefix: '',
    nameOf({ path }) {
      if (path === headPath) return headName;
      if (path === embeddingPath) return 'shared.weight';
      const { side, layer, module, ending } = stackParts(path);
      if (module === 'relative') return `${side}.block.0.layer.0.SelfAttention.relative_attention_bias${ending}`;
      if (layer === undefined) return `${side}.final_layer_norm${ending}`;
      const [part = '', name = ''] = module.split('.');
      const index = part === 'attn' ? 0 : part === 'cross' || side === 'encoder' ? 1 : 2;
      const place = `${side}.block.${layer}.layer.${index}`;
      if (name === 'norm') return `${place}.layer_norm${ending}`;
      const inner = { ...t5Modules, ...(config.gated ? { gate: 'wi_0', fc: 'wi_1' } : { fc: 'wi' }) };
      const kind = { attn: 'SelfAttention', cross: 'EncDecAttention', mlp: 'DenseReluDense' };
      return `${place}.${theirName(kind, part, path)}.${theirName(inner, name, path)}${ending}`;
    },
    isTransposed: ({ role }) => role === 'linear',
    // Early releases kept a table there that nothing read.
    buffers: /^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/,
    copies,
  };
}

const bertModules: Readonly<Record<string, string>> = {
  'attn.q': 'attention.self.query',
  'attn.k': 'attention.self.key',
  'attn.v': 'attention.self.value',
  'attn.out': 'attention.output.dense',
  'attn.norm': 'attention.output.LayerNorm',
  'cross.q': 'crossattention.self.query',
  'cross.k': 'crossattention.self.key',
  'cross.v': 'crossattention.self.value',
  'cross.out': 'crossattention.output.dense',
  'cross.norm': 'crossattention.output.LayerNorm',
  'mlp.fc': 'intermediate.dense',
  'mlp.proj': 'output.dense',
  'mlp.norm': 'output.LayerNorm',
  'embed.norm': 'embeddings.LayerNorm',
  position: 'embeddings.position_embeddings',
  type: 'embeddings.token_type_embeddings',
};

/** EncoderDecoderModel of two BERTs, or of two RoBERTas, whose head has other names. */
function bertsTable(config: EncoderDecoderConfig): NameTable {
  const isRoberta = config.positions.kind === 'learned' && config.positions.offset > 0;
  const head = isRoberta ? 'decoder.lm_head' : 'decoder.cls.predictions';
  const transform = isRoberta
    ? { dense: `${head}.dense`, norm: `${head}.layer_norm` }
    : { dense: `${head}.transform.dense`, norm: `${head}.transform.LayerNorm` };
  const decoder = `decoder.${isRoberta ? 'roberta' : 'bert'}`;
  const fixed: Readonly<Record<string, string>> = {
    [headPath]: `${head}.decoder.weight`,
    'head.bias': `${head}.bias`,
    'head.transform.weight': `${transform.dense}.weight`,
    'head.transform.bias': `${transform.dense}.bias`,
    'head.transform.norm.weight': `${transform.norm}.weight`,
    'head.transform.norm.bias': `${transform.norm}.bias`,
    [embeddingPath]: `${decoder}.embeddings.word_embeddings.weight`,
    'embed.source.weight': 'encoder.embeddings.word_embeddings.weight',
  };
  const copies = new Map([[`${head}.decoder.bias`, 'head.bias']]);
  if (config.tiedHead) copies.set(`${head}.decoder.weight`, embeddingPath);
  return {
    prefix: '',
    nameOf({ path }) {
      const known = fixed[path];
      if (known !== undefined) return known;
      const { side, layer, module, ending } = stackParts(path);
      const block = layer === undefined ? '' : `encoder.layer.${layer}.`;
      return `${side === 'encoder' ? 'encoder' : decoder}.${block}${theirName(bertModules, module, path)}${ending}`;
    },
    isTransposed: ({ role }) => role === 'linear',
    // A summary of the source that nothing reads here.
    buffers: /^encoder\.pooler\.dense\.(weight|bias)$|\.position_ids$/,
    copies,
  };
}
