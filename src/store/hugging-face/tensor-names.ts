// Names and layouts of tensors in Hugging Face checkpoints, and which stored tensor is which parameter.
import { AppError, invariant } from '#base';
import { architectureOf, isEncoderDecoder, type ModelConfig, type ParameterSpec } from '#models';
import { embeddingPath, encoderDecoderTable, headPath, type NameTable } from './encoder-decoder-names.ts';
import { type ModuleTable, moduleTable } from './name-tables.ts';

/** How one of our parameters is stored in a checkpoint. */
export interface CheckpointTensor {
  readonly spec: ParameterSpec;
  readonly name: string;
  /** nn.Linear stores [out, in] where we have [in, out]; GPT-2's Conv1D is as ours. */
  readonly isTransposed: boolean;
  /** In the file. */
  readonly shape: readonly number[];
}

function tableOf(config: ModelConfig): NameTable {
  if (isEncoderDecoder(config)) return encoderDecoderTable(config);
  const table = moduleTable(config);
  const headName = nameInHead(table, headPath);
  return {
    prefix: table.prefix,
    nameOf: (spec) => nameInHead(table, spec.path) ?? `${table.prefix}${moduleName(table, spec)}`,
    // A head is an nn.Linear everywhere.
    isTransposed: ({ path, role }) => path === headPath || (table.isLinear && role === 'linear'),
    buffers: table.buffers,
    copies: new Map(config.tiedHead && headName !== undefined ? [[headName, embeddingPath]] : []),
    ...(table.aliases === undefined ? {} : { aliases: table.aliases }),
  };
}

function nameInHead({ heads }: ModuleTable, path: string): string | undefined {
  const lastDot = path.lastIndexOf('.');
  const module = heads[path.slice(0, lastDot)];
  return heads[path] ?? (module === undefined ? undefined : `${module}${path.slice(lastDot)}`);
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
 * Further names under which transformers looks for a tensor: name -> the name it is stored under first. Tied ones it finds itself. When the head
 * of BART and its like is untied, it unties all their tables, and would begin with random ones where the file has none.
 */
export function furtherNames(config: ModelConfig): ReadonlyMap<string, string> {
  if (config.tiedHead) return new Map();
  const { copies, aliases = {} } = tableOf(config);
  const tensors = checkpointTensors(config);
  const stored = new Set(tensors.map(({ name }) => name));
  const nameByPath = new Map(tensors.map(({ name, spec }) => [spec.path, name]));
  return new Map([
    ...Object.entries(aliases).filter(([, name]) => stored.has(name)),
    ...[...copies].map(([name, path]) => [name, nameByPath.get(path) ?? name] as const),
  ]);
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
  const names = [...storedNames];
  const isStored = new Set(names);
  for (const stored of names) {
    const name = currentName(stored);
    const bare = name.startsWith(table.prefix) ? name.slice(table.prefix.length) : name;
    const alias = table.aliases?.[name];
    if (alias !== undefined && isStored.has(alias)) continue;
    const path = pathByName.get(alias ?? name) ?? pathByName.get(`${table.prefix}${name}`);
    if (path !== undefined) {
      const other = nameByPath.get(path);
      if (other !== undefined) throw mismatch(`"${other}" and "${stored}" are the same parameter. Keep one of them`);
      nameByPath.set(path, stored);
      continue;
    }
    const copied = table.copies.get(name) ?? table.copies.get(`${table.prefix}${name}`);
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

/** The first releases of BERT called the gain and bias of a norm so. */
function currentName(stored: string): string {
  return stored.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
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
