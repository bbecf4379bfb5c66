// Names and layouts of tensors in Hugging Face checkpoints; the only place where those names exist.
import { AppError, invariant } from '#base';
import { architectureOf, isEncoderDecoder, type ModelConfig, type ParameterSpec } from '#models';
import { embeddingPath, encoderDecoderTable, headName, headPath, type NameTable } from './encoder-decoder-names.ts';

/** How one of our parameters is stored in a checkpoint. */
export interface CheckpointTensor {
  readonly spec: ParameterSpec;
  readonly name: string;
  /** nn.Linear stores [out, in] where we have [in, out]; GPT-2's Conv1D is as ours. */
  readonly isTransposed: boolean;
  /** In the file. */
  readonly shape: readonly number[];
}

/** Names of whole modules: ours -> theirs, inside a block, then outside. */
interface ModuleTable {
  readonly prefix: string;
  readonly blocks: string;
  readonly inBlock: Readonly<Record<string, string>>;
  readonly outside: Readonly<Record<string, string>>;
  readonly isLinear: boolean;
  readonly buffers: RegExp;
}

const decoderTables: Readonly<Record<Exclude<ModelConfig['architecture'], 'encoderDecoder'>, ModuleTable>> = {
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

function tableOf(config: ModelConfig): NameTable {
  if (isEncoderDecoder(config)) return encoderDecoderTable(config);
  const table = decoderTables[config.architecture];
  return {
    prefix: table.prefix,
    nameOf: (spec) => (spec.path === headPath ? headName : `${table.prefix}${moduleName(table, spec)}`),
    isTransposed: ({ path, role }) => path === headPath || (table.isLinear && role === 'linear'),
    buffers: table.buffers,
    copies: new Map(config.tiedHead ? [[headName, embeddingPath]] : []),
  };
}

function moduleName(table: ModuleTable, { path, block }: ParameterSpec): string {
  const lastDot = path.lastIndexOf('.');
  const ending = path.slice(lastDot);
  const module = path.slice(block === undefined ? 0 : `h.${block}.`.length, lastDot);
  const theirs = block === undefined ? table.outside[module] : table.inBlock[module];
  invariant(theirs !== undefined, `${path} has a name in Hugging Face checkpoints`);
  return block === undefined ? `${theirs}${ending}` : `${table.blocks}.${block}.${theirs}${ending}`;
}

/** Every tensor that a checkpoint of this configuration has, under its full name, in our order. */
export function checkpointTensors(config: ModelConfig): CheckpointTensor[] {
  const table = tableOf(config);
  return architectureOf(config)
    .parameters(config)
    .map((spec) => {
      const isTransposed = table.isTransposed(spec);
      const name = table.nameOf(spec);
      const shape = isTransposed ? spec.shape.toReversed() : name === 'final_logits_bias' ? [1, ...spec.shape] : spec.shape;
      return { spec, name, isTransposed, shape };
    });
}

/**
 * Tensors that a checkpoint should hold a second time: transformers unties all tables of BART and its like when the head is untied,
 * and would begin with random ones where the file has none. Name -> the name of the tensor that it equals.
 */
export function repeatedTensors(config: ModelConfig): ReadonlyMap<string, string> {
  if (config.tiedHead || !isEncoderDecoder(config)) return new Map();
  const { copies, nameOf } = tableOf(config);
  const nameByPath = new Map(
    architectureOf(config)
      .parameters(config)
      .map((spec) => [spec.path, nameOf(spec)] as const),
  );
  return new Map([...copies].map(([name, path]) => [name, nameByPath.get(path) ?? name]));
}

/** The configuration as far as it can be told from the names only: checkpoints of BART may lack the bias of the logits, which is then zero. */
export function fitToNames(config: ModelConfig, storedNames: ReadonlySet<string>): ModelConfig {
  if (!isEncoderDecoder(config) || !config.headBias || config.headTransform || storedNames.has('final_logits_bias')) return config;
  return { ...config, headBias: false };
}

/** Which stored tensor is which of our parameters. */
export interface TensorMatch {
  /** Stored name by our path. */
  readonly nameByPath: ReadonlyMap<string, string>;
  /** Stored tensors that must equal a parameter, since the configuration ties them: a head, or an embedding once more. */
  readonly copies: readonly { readonly name: string; readonly path: string }[];
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
  const copies: { name: string; path: string }[] = [];
  for (const stored of storedNames) {
    const bare = stored.startsWith(table.prefix) ? stored.slice(table.prefix.length) : stored;
    const path = pathByName.get(stored) ?? pathByName.get(`${table.prefix}${stored}`);
    if (path !== undefined) {
      const other = nameByPath.get(path);
      if (other !== undefined) throw mismatch(`"${other}" and "${stored}" are the same parameter. Keep one of them`);
      nameByPath.set(path, stored);
      continue;
    }
    const copied = table.copies.get(stored) ?? table.copies.get(`${table.prefix}${stored}`);
    if (copied !== undefined) copies.push({ name: stored, path: copied });
    else if (!table.buffers.test(bare)) unexpected.push(stored);
  }
  // Checkpoints that drop all but one of several tied names may drop the one that we ask for.
  const checked = copies.filter(({ name, path }) => {
    if (nameByPath.has(path)) return true;
    nameByPath.set(path, name);
    return false;
  });
  const missing = expected.filter(({ spec }) => !nameByPath.has(spec.path));
  if (missing.length > 0)
    throw mismatch(
      `${list(missing.map(({ name, shape }) => `"${name}" [${shape.join(', ')}]`))} missing from the checkpoint${hint(unexpected)}`,
    );
  if (unexpected.length > 0)
    throw mismatch(
      `${list(unexpected.map((name) => `"${name}"`))} in the checkpoint, but not in a ${config.architecture} of ${config.layers} layers`,
    );
  return { nameByPath, copies: checked };
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
