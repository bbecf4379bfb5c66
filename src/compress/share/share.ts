// The sharing method: layers become one stored layer that is applied at several places.
import { AppError, at, invariant, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import {
  architectureOf,
  checkConfig,
  denseParameter,
  isEncoded,
  type Model,
  type ModelConfig,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  parameterSpecs,
  sharedOwner,
  sharedParameter,
  sharedUsers,
} from '#models';
import { castTensor, fromNumbers, type HostTensor, hostTensor, isFloat, sizeOf, tensorBytes } from '#tensor';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { groupBy } from '../group-by.ts';
import { LayerRun } from '../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type LayerReport, type Method, methodReport } from '../method.ts';
import { type PlannedParameter, planSharing, type SharingPlan } from './plan.ts';
import { narrowEmbedding } from './safe-embedding.ts';
import { type ShareSettings, shareSettings } from './settings.ts';
import { blockSimilarities, mostTypical } from './similarity.ts';

/**
 * Stores the layers of a scheme once. One row a block: what it loses is the distance of its weights to those that it shares.
 *
 * @see README.md beside this file, and the sources at `layerMap`, `tieStacks` and `Halting`
 */
export const share: Method<ShareSettings> = {
  name: 'share',
  settings: shareSettings,
  needsCalibration: ({ from, scheme }) => from === 'similar' && scheme !== undefined && scheme !== 'tiedEncoderDecoder',
  check: checkScheme,
  async apply(model, settings, environment, context) {
    checkScheme(model, settings);
    const { config, specs } = sharedForm(model, settings);
    const choice = await chooseLayers(model, settings, environment, context);
    const sharing = settings.scheme === undefined ? undefined : plan(model, specs, settings, choice);
    if (sharing !== undefined) checkPlan(model, sharing);

    const blocks = groupBy(sharing?.parameters ?? [], ({ stack, place }) => `${stack}.${place}`);
    const run = new LayerRun('share', blocks.size + (config.embedding === undefined ? 0 : 1), environment, context);
    const finished: FinishedLayer[] = [];
    if (settings.embedding !== undefined)
      finished.push(await run.layer('embed', () => embed(model, config, settings, environment, context)));
    const users = usersOf(sharing);
    const weights = new StoredWeights(model);
    for (const [block, parameters] of blocks)
      finished.push(await run.layer(block, () => shareBlock(weights, block, parameters, { users, choice, signal: context.signal })));
    const report = methodReport(
      'share',
      finished.map(({ layer }) => layer),
    );
    const result = assemble(
      model,
      config,
      finished.flatMap(({ parameters }) => parameters),
    );
    return { model: result, report: sharing?.note === undefined ? report : { ...report, note: sharing.note } };
  },
};

/** Before any layer was chosen: which one is, decides nothing of what can be wrong. */
function checkScheme(model: Model, settings: ShareSettings): void {
  const { specs } = sharedForm(model, settings);
  if (settings.scheme === undefined) return;
  checkPlan(model, plan(model, specs, settings, settings.from === 'average' ? undefined : firstLayers));
}

/** The configuration with the settings in it, and its parameters. @throws AppError `bad_recipe` | `bad_config` | `unsupported` */
function sharedForm(
  model: Model,
  settings: ShareSettings,
): { readonly config: ModelConfig; readonly specs: ReadonlyMap<string, ParameterSpec> } {
  const config = targetConfig(model.config, settings);
  const specs = parameterSpecs({ config });
  checkArchitecture(config, specs, settings);
  return { config, specs };
}

function targetConfig(config: ModelConfig, { scheme, layers, embedding, halting }: ShareSettings): ModelConfig {
  if (embedding !== undefined && config.embedding !== undefined)
    throw new AppError('bad_recipe', 'share.embedding: the model has a narrow embedding already. Leave it out.');
  const places = halting?.maxSteps ?? layers ?? config.layers;
  const target: ModelConfig = {
    ...config,
    layers: places,
    ...(embedding === undefined ? {} : { embedding: { kind: 'safe', ...embedding } }),
    ...(halting === undefined ? {} : { halting: { epsilon: halting.epsilon, ponderCost: halting.ponderCost, signals: halting.signals } }),
  };
  checkConfig(target);
  if (scheme !== undefined && config.halting !== undefined)
    throw new AppError(
      'bad_recipe',
      'share.scheme: the model repeats one layer already. Share the layers of the model that it was made from.',
    );
  return target;
}

/** Fields of the configuration that an architecture does not read would change nothing. */
function checkArchitecture({ architecture }: ModelConfig, specs: ReadonlyMap<string, ParameterSpec>, settings: ShareSettings): void {
  const markers = { embedding: 'embed.safe.norm.weight', halting: 'halting.weight' } as const;
  for (const field of ['embedding', 'halting'] as const)
    if (settings[field] !== undefined && !specs.has(markers[field]))
      throw new AppError('unsupported', `share.${field}: ${architecture} models have no such form. Leave the field out.`, {
        details: { field: `share.${field}` },
      });
}

/** The trained layer that stands for several. */
interface Choice {
  pick(layers: readonly number[]): number;
  /** How alike a picked layer is to the others; undefined where nothing was measured. */
  similarityOf(layer: number): number | undefined;
}

const firstLayers: Choice = { pick: (layers) => at(layers, 0), similarityOf: () => undefined };

async function chooseLayers(
  model: Model,
  settings: ShareSettings,
  { calibration }: CompressionEnvironment,
  context: OperationContext,
): Promise<Choice | undefined> {
  if (settings.from === 'average') return undefined;
  if (!share.needsCalibration(settings)) return firstLayers;
  if (calibration === undefined)
    throw new AppError('not_enough_samples', 'share: from "similar" compares layers on text and got no calibration text. Give data.');
  const similarities = await blockSimilarities(model, settings.similarity, calibration, context);
  const picked = new Map<number, number>();
  return {
    pick: (layers) => {
      const { layer, similarity } = mostTypical(similarities, layers);
      picked.set(layer, similarity);
      return layer;
    },
    similarityOf: (layer) => picked.get(layer),
  };
}

function plan(model: Model, specs: ReadonlyMap<string, ParameterSpec>, settings: ShareSettings, choice: Choice | undefined): SharingPlan {
  const trained = [...parameterSpecs(model).values()];
  return planSharing([...specs.values()], trained, settings, choice?.pick);
}

/** What the plan needs of the weights, before any work. */
function checkPlan(model: Model, { parameters }: SharingPlan): void {
  const users = sharedUsers(model);
  for (const { spec, owner, sources, before } of parameters)
    for (const path of new Set([before, ...sources])) {
      const parameter = model.parameters.get(path);
      invariant(parameter !== undefined, `${path} is a parameter of the trained model`);
      const lives = sharedOwner(parameter) ?? (users.has(path) ? path : undefined);
      const isKept = owner === spec.path && before === spec.path && sources.length === 1 && at(sources, 0) === spec.path;
      if (lives !== undefined && !isKept)
        throw new AppError('already_shared', `${path} is shared already, and stored as ${lives}. Share a layer once, or exclude it here.`, {
          details: { path, owner: lives },
        });
      if (sources.length > 1 && (parameter.kind !== 'dense' || isEncoded(parameter)))
        throw new AppError(
          'bad_recipe',
          `share.from: "average" needs dense weights, ${path} is ${parameter.kind}. Share before other steps, or take the first layer.`,
          { details: { field: 'share.from', path } },
        );
    }
}

/** The blocks that use a block's weights, by the block that holds them. */
function usersOf(sharing: SharingPlan | undefined): Map<string, Set<string>> {
  const users = new Map<string, Set<string>>();
  const blockByPath = new Map((sharing?.parameters ?? []).map(({ spec, stack, place }) => [spec.path, `${stack}.${place}`]));
  for (const { spec, owner, stack, place } of sharing?.parameters ?? []) {
    if (owner === spec.path) continue;
    const block = blockByPath.get(owner) ?? owner;
    users.set(block, (users.get(block) ?? new Set()).add(`${stack}.${place}`));
  }
  return users;
}

interface BlockContext {
  readonly users: ReadonlyMap<string, ReadonlySet<string>>;
  readonly choice: Choice | undefined;
  readonly signal: AbortSignal;
}

async function shareBlock(
  weights: StoredWeights,
  block: string,
  planned: readonly PlannedParameter[],
  { users, choice, signal }: BlockContext,
): Promise<FinishedLayer> {
  const { model } = weights;
  const parameters: Parameter[] = [];
  const kinds = new Set<string>();
  const owners = new Set<string>();
  let bytesBefore = 0;
  let bytesAfter = 0;
  let lost = 0;
  let total = 0;
  for (const { spec, owner, sources, before } of planned) {
    await yieldToEventLoop();
    throwIfCancelled(signal);
    const old = model.parameters.get(spec.path);
    if (old !== undefined) kinds.add(old.kind);
    const isOwner = owner === spec.path;
    const made = isOwner ? weights.made(spec, spec.path, sources) : sharedParameter(spec.path, owner);
    if (made !== old) parameters.push(made);
    if (!isOwner) owners.add(blockOf(owner));
    bytesBefore += bytesOf(old);
    bytesAfter += bytesOf(made);
    const was = materializeParameter(model, before).data;
    for (const value of was) total += value * value;
    if (sources.length === 1 && at(sources, 0) === before) continue;
    const is = weights.value(spec, owner, sources).data;
    for (let index = 0; index < was.length; index++) lost += ((was[index] ?? 0) - (is[index] ?? 0)) ** 2;
  }
  const kindBefore = kinds.size === 0 ? 'none' : [...kinds].join(', ');
  const isUser = owners.size > 0;
  const layer: LayerReport = {
    path: block,
    kindBefore,
    kindAfter: isUser ? 'shared' : kindBefore === 'none' ? 'dense' : kindBefore,
    bytesBefore,
    bytesAfter,
    weightError: total === 0 ? 0 : Math.sqrt(lost / total),
    note: isUser ? `shares the weights of ${[...owners].join(', ')}` : ownerNote(planned, users.get(block), choice),
  };
  return { layer, parameters };
}

function ownerNote(planned: readonly PlannedParameter[], users: ReadonlySet<string> | undefined, choice: Choice | undefined): string {
  if (users === undefined) return 'keeps its own weights';
  const serves = `serves ${[...users].join(', ')} too`;
  const most = planned.reduce<readonly string[]>((longest, { sources }) => (sources.length > longest.length ? sources : longest), []);
  const names = most.map(blockOf);
  if (most.length > 1) return `${serves}; mean of ${names.join(', ')}`;
  const taken = names.join('');
  const similarity = choice?.similarityOf(Number(/\d+$/.exec(taken)?.[0]));
  return `${serves}; taken from ${taken}${similarity === undefined ? '' : `, similarity ${similarity.toFixed(3)} to the others`}`;
}

/** `h.3` of `h.3.mlp.fc.weight`. */
function blockOf(path: string): string {
  return /^.*?\.\d+/.exec(path)?.[0] ?? path;
}

/** The weights that are stored, each made once of trained ones. */
class StoredWeights {
  readonly model: Model;
  readonly #means = new Map<string, Parameter>();

  constructor(model: Model) {
    this.model = model;
  }

  /** The parameter of the owner's path: the only source as it is, or the mean of several. */
  made({ shape }: ParameterSpec, owner: string, sources: readonly string[]): Parameter {
    const [only] = sources;
    if (only !== undefined && sources.length === 1) {
      const source = this.#source(only);
      return only === owner ? source : copied(source, owner);
    }
    const known = this.#means.get(owner);
    if (known !== undefined) return known;
    const values = sources.map((source) => denseValue(this.#source(source)));
    const mean = denseParameter(owner, meanOf(values, shape));
    this.#means.set(owner, mean);
    return mean;
  }

  /** Its dense numbers. */
  value(spec: ParameterSpec, owner: string, sources: readonly string[]): HostTensor<'float32'> {
    const [only] = sources;
    if (only !== undefined && sources.length === 1) return materializeParameter(this.model, only);
    return castTensor(denseValue(this.made(spec, owner, sources)), 'float32');
  }

  #source(path: string): Parameter {
    const parameter = this.model.parameters.get(path);
    invariant(parameter !== undefined, `${path} is a parameter of the trained model`);
    return parameter;
  }
}

/** In the type that all have, or float32. */
function meanOf(tensors: readonly HostTensor[], shape: readonly number[]): HostTensor {
  const sums = new Float64Array(sizeOf(shape));
  for (const tensor of tensors) {
    const { data } = castTensor(tensor, 'float32');
    for (let index = 0; index < sums.length; index++) sums[index] = (sums[index] ?? 0) + (data[index] ?? 0);
  }
  const dtypes = new Set(tensors.map(({ dtype }) => dtype));
  const [only = 'float32'] = dtypes;
  const dtype = dtypes.size === 1 && isFloat(only) ? only : 'float32';
  return hostTensor(
    dtype,
    shape,
    fromNumbers(
      dtype,
      sums.map((sum) => sum / tensors.length),
    ),
  );
}

/** With tensors of its own: one tensor never has two names. */
function copied({ kind, settings, tensors }: Parameter, path: string): Parameter {
  const copies = Object.entries(tensors).map(([slot, { dtype, shape, data }]) => [slot, hostTensor(dtype, shape, data.slice())] as const);
  return { path, kind, settings, tensors: Object.fromEntries(copies) };
}

function denseValue({ path, tensors: { value } }: Parameter): HostTensor {
  invariant(value !== undefined, `${path}: only dense weights are averaged`);
  return value;
}

function bytesOf(parameter: Parameter | undefined): number {
  return Object.values(parameter?.tensors ?? {}).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

async function embed(
  model: Model,
  config: ModelConfig,
  settings: ShareSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<FinishedLayer> {
  const matrices = new EngineMatrices(environment.engine, context.signal);
  try {
    return await narrowEmbedding(model, config, matrices, settings.seed ?? environment.seed ?? 0);
  } finally {
    await matrices.release();
  }
}

/** Everything that the configuration needs: what was made, what new models start with, and the rest as it was. */
function assemble(model: Model, config: ModelConfig, made: readonly Parameter[]): Model {
  const byPath = new Map(made.map((parameter) => [parameter.path, parameter]));
  const parameters = architectureOf(config)
    .parameters(config)
    .map(({ path, shape, initial }): [string, Parameter] => {
      const parameter = byPath.get(path) ?? model.parameters.get(path);
      if (parameter !== undefined) return [path, parameter];
      invariant(initial !== undefined, `${path} is made by this step or starts with a given value`);
      return [path, denseParameter(path, hostTensor('float32', shape, new Float32Array(sizeOf(shape)).fill(initial)))];
    });
  return { config, parameters: new Map(parameters) };
}
