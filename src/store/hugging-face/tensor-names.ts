// Names and layouts of tensors in Hugging Face checkpoints; the only place where those names exist.
import { AppError, invariant } from '#base';
import { architectureOf, type ModelConfig, type ParameterSpec } from '#models';

/** How one of our parameters is stored in a checkpoint. */
export interface CheckpointTensor {
  readonly spec: ParameterSpec;
  readonly name: string;
  /** nn.Linear stores [out, in] where we have [in, out]; GPT-2's Conv1D is as ours. */
  readonly isTransposed: boolean;
  /** In the file. */
  readonly shape: readonly number[];
}

interface NameTable {
  /** In front of everything but the head; checkpoints of the model without its head leave it out. */
  readonly prefix: string;
  readonly blocks: string;
  /** Our name -> theirs, for whole modules: inside a block, then outside. */
  readonly inBlock: Readonly<Record<string, string>>;
  readonly outside: Readonly<Record<string, string>>;
  readonly isLinear: boolean;
  /** Constant buffers that older releases stored, without the prefix. */
  readonly buffers: RegExp;
}

const headName = 'lm_head.weight';

const tables: Readonly<Record<ModelConfig['architecture'], NameTable>> = {
  gpt2: {
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
    isLinear: false,
    buffers: /^h\.\d+\.attn\.(bias|masked_bias)$/,
  },
  llama: {
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
    isLinear: true,
    buffers: /^(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/,
  },
};

/** Where norms stand behind the parts too, the name of Llama's second norm means the one behind attention. */
const namesWithNormsBehind = {
  norm1Behind: 'post_attention_layernorm',
  norm2: 'pre_feedforward_layernorm',
  norm2Behind: 'post_feedforward_layernorm',
};

function tableOf(config: ModelConfig): NameTable {
  const table = tables[config.architecture];
  if (config.architecture !== 'llama' || config.normsBehind !== true) return table;
  return { ...table, inBlock: { ...table.inBlock, ...namesWithNormsBehind } };
}

/** Every tensor that a checkpoint of this configuration has, under its full name, in our order. */
export function checkpointTensors(config: ModelConfig): CheckpointTensor[] {
  const table = tableOf(config);
  return architectureOf(config)
    .parameters(config)
    .map((spec) => {
      const isHead = spec.path === 'head.weight';
      const isTransposed = isHead || (table.isLinear && spec.role === 'linear');
      const name = isHead ? headName : `${table.prefix}${moduleName(table, spec)}`;
      return { spec, name, isTransposed, shape: isTransposed ? spec.shape.toReversed() : spec.shape };
    });
}

function moduleName(table: NameTable, { path, block }: ParameterSpec): string {
  const lastDot = path.lastIndexOf('.');
  const ending = path.slice(lastDot);
  const module = path.slice(block === undefined ? 0 : `h.${block}.`.length, lastDot);
  const theirs = block === undefined ? table.outside[module] : table.inBlock[module];
  invariant(theirs !== undefined, `${path} has a name in Hugging Face checkpoints`);
  return block === undefined ? `${theirs}${ending}` : `${table.blocks}.${block}.${theirs}${ending}`;
}

/** Which stored tensor is which of our parameters. */
export interface TensorMatch {
  /** Stored name by our path. */
  readonly nameByPath: ReadonlyMap<string, string>;
  /** A stored head that must equal the token embedding, since the configuration ties them. */
  readonly tiedHeadName?: string;
}

/**
 * Finds each parameter among the names that a checkpoint has, with or without the prefix; known buffers are passed over.
 *
 * @throws AppError `config_mismatch` naming what is missing or not expected
 */
export function matchTensors(config: ModelConfig, storedNames: Iterable<string>): TensorMatch {
  const table = tableOf(config);
  const expected = checkpointTensors(config);
  const pathByName = new Map(expected.map(({ name, spec }) => [name, spec.path]));
  const nameByPath = new Map<string, string>();
  const unexpected: string[] = [];
  let tiedHeadName: string | undefined;
  for (const stored of storedNames) {
    const bare = stored.startsWith(table.prefix) ? stored.slice(table.prefix.length) : stored;
    const path = pathByName.get(stored) ?? pathByName.get(`${table.prefix}${stored}`);
    if (path !== undefined) {
      const other = nameByPath.get(path);
      if (other !== undefined) throw mismatch(`"${other}" and "${stored}" are the same parameter. Keep one of them`);
      nameByPath.set(path, stored);
    } else if (stored === headName && config.tiedHead) tiedHeadName = stored;
    else if (!table.buffers.test(bare)) unexpected.push(stored);
  }
  // Checkpoints that drop one of two tied names may drop the embedding's.
  if (tiedHeadName !== undefined && !nameByPath.has('embed.token.weight')) {
    nameByPath.set('embed.token.weight', tiedHeadName);
    tiedHeadName = undefined;
  }
  const missing = expected.filter(({ spec }) => !nameByPath.has(spec.path));
  if (missing.length > 0)
    throw mismatch(
      `${list(missing.map(({ name, shape }) => `"${name}" [${shape.join(', ')}]`))} missing from the checkpoint${hint(unexpected)}`,
    );
  if (unexpected.length > 0)
    throw mismatch(
      `${list(unexpected.map((name) => `"${name}"`))} in the checkpoint, but not in a ${config.architecture} of ${config.layers} layers`,
    );
  return { nameByPath, ...(tiedHeadName === undefined ? {} : { tiedHeadName }) };
}

function hint(unexpected: readonly string[]): string {
  return unexpected.length === 0 ? '' : `, which has ${list(unexpected.map((name) => `"${name}"`))} instead`;
}

function list(items: readonly string[]): string {
  const shown = items.slice(0, 3).join(', ');
  return items.length > 3 ? `${shown} and ${items.length - 3} more` : shown;
}

export function mismatch(problem: string): AppError {
  return new AppError('config_mismatch', `config.json and the checkpoint disagree: ${problem}. Make config.json fit the tensors.`);
}
