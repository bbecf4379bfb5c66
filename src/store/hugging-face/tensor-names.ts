// Names and layouts of tensors in Hugging Face checkpoints, and which stored tensor is which parameter.
import { AppError, invariant } from '#base';
import { architectureOf, type ModelConfig, type ParameterSpec } from '#models';
import { type NameTable, nameTable } from './name-tables.ts';

/** How one of our parameters is stored in a checkpoint. */
export interface CheckpointTensor {
  readonly spec: ParameterSpec;
  readonly name: string;
  /** nn.Linear stores [out, in] where we have [in, out]; GPT-2's Conv1D is as ours. */
  readonly isTransposed: boolean;
  /** In the file. */
  readonly shape: readonly number[];
}

/** Every tensor that a checkpoint of this configuration has, under its full name, in our order. */
export function checkpointTensors(config: ModelConfig): CheckpointTensor[] {
  const table = nameTable(config);
  return architectureOf(config)
    .parameters(config)
    .map((spec) => {
      // A head is an nn.Linear everywhere.
      const isTransposed = spec.path === headPath || (table.isLinear && spec.role === 'linear');
      const name = nameInHead(table, spec.path) ?? `${table.prefix}${moduleName(table, spec)}`;
      return { spec, name, isTransposed, shape: isTransposed ? spec.shape.toReversed() : spec.shape };
    });
}

const headPath = 'head.weight';

/** Further names under which transformers looks for a tensor: name -> the name it is stored under first. Tied ones it finds itself. */
export function furtherNames(config: ModelConfig): ReadonlyMap<string, string> {
  const { aliases = {} } = nameTable(config);
  const stored = new Set(checkpointTensors(config).map(({ name }) => name));
  return new Map(Object.entries(aliases).filter(([, name]) => !config.tiedHead && stored.has(name)));
}

function nameInHead({ heads }: NameTable, path: string): string | undefined {
  const lastDot = path.lastIndexOf('.');
  const module = heads[path.slice(0, lastDot)];
  return heads[path] ?? (module === undefined ? undefined : `${module}${path.slice(lastDot)}`);
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
  const table = nameTable(config);
  const expected = checkpointTensors(config);
  const pathByName = new Map(expected.map(({ name, spec }) => [name, spec.path]));
  const nameByPath = new Map<string, string>();
  const unexpected: string[] = [];
  const headName = nameInHead(table, headPath);
  let tiedHeadName: string | undefined;
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
