// The warm-start method: an encoder-decoder whose stacks begin as trained encoders of texts.
import { AppError, invariant, type OperationContext, Random, throwIfCancelled, yieldToEventLoop } from '#base';
import {
  checkConfig,
  checkModel,
  denseParameter,
  type Model,
  type Parameter,
  type ParameterSpec,
  sharedOwner,
  sharedParameter,
} from '#models';
import { hostTensor, sizeOf, tensorBytes } from '#tensor';
import { groupBy } from '../group-by.ts';
import { LayerRun } from '../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type LayerReport, type Method, methodReport } from '../method.ts';
import {
  type BoundaryTokens,
  bertPlace,
  type Origin,
  type PlannedStart,
  planWarmStart,
  requireBert,
  type Side,
  warmStartConfig,
} from './plan.ts';
import { type WarmStartSettings, warmStartSettings } from './settings.ts';

/** As BERT draws its new weights. */
const standardDeviation = 0.02;

/**
 * Makes an encoder-decoder of one or two encoders; what they do not have begins at random.
 *
 * The result computes nothing useful before it is trained on pairs. One row a block, one for the embeddings and one for the head.
 *
 * @see README.md beside this file; Rothe, Narayan and Severyn, TACL 2020. We differ: new weights are normal, not truncated.
 */
export const warmStart: Method<WarmStartSettings> = {
  name: 'warmStart',
  settings: warmStartSettings,
  needsCalibration: () => false,
  models: ({ encoder, decoder }) => [encoder, decoder].filter((name) => name !== 'same' && name !== 'random'),
  async apply(model, settings, environment, context) {
    const sides = {
      encoder: await sideOf('encoder', model, settings, environment),
      decoder: await sideOf('decoder', model, settings, environment),
    };
    const configs = {
      encoder: requireBert((sides.encoder ?? model).config, 'the model of the encoder'),
      decoder: requireBert((sides.decoder ?? model).config, 'the model of the decoder'),
    };
    const config = warmStartConfig(configs, boundaryTokens(settings, environment));
    checkConfig(config);
    const groups = groupBy(planWarmStart(config, configs, settings), ({ spec: { path } }) => groupOf(path));
    // What is made is a copy or follows from the seed: it is as cheap to make again as to keep.
    const { memory: _, ...rest } = environment;
    const run = new LayerRun('warm start', groups.size, rest, context);
    const weights = new StartWeights(sides, model, new Random(settings.seed ?? environment.seed ?? 0));
    const finished: FinishedLayer[] = [];
    for (const [group, planned] of groups) finished.push(await run.layer(group, () => weights.group(group, planned, context)));
    const parameters = finished.flatMap((each) => each.parameters.map((parameter) => [parameter.path, parameter] as const));
    const started: Model = { config, parameters: new Map(parameters) };
    checkModel(started);
    const report = methodReport(
      'warmStart',
      finished.map(({ layer }) => layer),
    );
    return { model: started, report: { ...report, note: `${nameOf(settings)}: train it on pairs before it is used` } };
  },
};

/** The model that gives a side its weights; undefined where they are new. */
async function sideOf(
  side: Side,
  model: Model,
  settings: WarmStartSettings,
  { storedModel }: CompressionEnvironment,
): Promise<Model | undefined> {
  const name = settings[side];
  if (name === 'random') return undefined;
  if (name === 'same') return model;
  if (storedModel !== undefined) return await storedModel(name);
  throw new AppError('unsupported', `warmStart.${side}: stored models are known to jobs only. Submit the recipe as a job.`);
}

/** @throws AppError `bad_recipe` where neither the settings nor the tokenizer say */
function boundaryTokens(settings: WarmStartSettings, { boundaryTokens: known = {} }: CompressionEnvironment): BoundaryTokens {
  const token = (field: 'startToken' | 'endToken', place: string): number => {
    const id = settings[field] ?? known[field];
    if (id !== undefined) return id;
    throw new AppError('bad_recipe', `warmStart.${field}: is needed, since the tokenizer puts no token ${place} a text. Give its id.`, {
      details: { field: `warmStart.${field}` },
    });
  };
  return { startToken: token('startToken', 'in front of'), endToken: token('endToken', 'behind') };
}

/** As the publication names it, with the words of the settings. */
function nameOf({ encoder, decoder, share }: WarmStartSettings): string {
  return share ? `encoder and decoder are one, from ${encoder}` : `encoder from ${encoder}, decoder from ${decoder}`;
}

/** `encoder.h.3`, `decoder.embed`, `embed`, `head`. */
function groupOf(path: string): string {
  const block = /^(?:en|de)coder\.h\.\d+/.exec(path);
  if (block !== null) return block[0];
  const side = /^((?:en|de)coder)\./.exec(path);
  return side === null ? path.replace(/\..*$/, '') : `${side[1]}.embed`;
}

/** The parameters of the encoder-decoder. */
class StartWeights {
  readonly #sides: { readonly [S in Side]: Model | undefined };
  readonly #base: Model;
  readonly #random: Random;
  /** Parameters of the recipe's model whose bytes are in a row already. */
  readonly #counted = new Set<string>();
  /** The parameter that holds the weight of one that is shared. */
  readonly #owners = new Map<string, string>();

  constructor(sides: { readonly [S in Side]: Model | undefined }, base: Model, random: Random) {
    this.#sides = sides;
    this.#base = base;
    this.#random = random;
  }

  async group(group: string, planned: readonly PlannedStart[], { signal }: OperationContext): Promise<FinishedLayer> {
    const parameters: Parameter[] = [];
    const kinds = new Set<string>();
    const notes = new Map<string, number>();
    let bytesBefore = 0;
    for (const { spec, origin } of planned) {
      await yieldToEventLoop();
      throwIfCancelled(signal);
      const made = this.#make(spec, origin);
      parameters.push(made);
      kinds.add(made.kind);
      bytesBefore += this.#bytesBefore(origin);
      const what = this.#describe(spec, origin);
      notes.set(what, (notes.get(what) ?? 0) + 1);
    }
    const layer: LayerReport = {
      path: group,
      kindBefore: bytesBefore === 0 ? 'none' : 'dense',
      kindAfter: [...kinds].sort().join(', '),
      bytesBefore,
      bytesAfter: parameters.reduce((sum, parameter) => sum + bytesOf(parameter), 0),
      weightError: 0,
      note: [...notes].map(([what, count]) => `${count} ${what}`).join(', '),
    };
    return { layer, parameters };
  }

  #make({ path, role, shape }: ParameterSpec, origin: Origin): Parameter {
    if (origin.kind === 'shared') return this.#shared(path, origin.owner);
    if (origin.kind === 'copied') return this.#copied(path, origin);
    const data = new Float32Array(sizeOf(shape));
    if (origin.kind === 'new') {
      if (role !== 'vector') for (let index = 0; index < data.length; index++) data[index] = standardDeviation * this.#random.normal();
      else if (!path.endsWith('.bias')) data.fill(1);
    }
    return denseParameter(path, hostTensor('float32', shape, data));
  }

  #copied(path: string, { side, path: source }: Origin & { kind: 'copied' }): Parameter {
    const parameter = this.#source(side, source);
    const owner = sharedOwner(parameter);
    if (owner !== undefined) return this.#shared(path, this.#sibling(path, source, owner));
    const { kind, settings, tensors } = parameter;
    // With tensors of its own: one tensor never has two names.
    const copies = Object.entries(tensors).map(([slot, { dtype, shape, data }]) => [slot, hostTensor(dtype, shape, data.slice())] as const);
    return { path, kind, settings, tensors: Object.fromEntries(copies) };
  }

  #shared(path: string, wanted: string): Parameter {
    const owner = this.#owners.get(wanted) ?? wanted;
    this.#owners.set(path, owner);
    return sharedParameter(path, owner);
  }

  /** Where the same stack has the weight that a layer of the given model shares: layers of a stack that are one stay one. */
  #sibling(path: string, source: string, owner: string): string {
    const block = (of: string): string => /^h\.\d+\./.exec(of)?.[0] ?? '';
    const sibling = path.replace(block(source), block(owner));
    invariant(bertPlace(sibling)?.path === owner || path.includes('.cross.'), `${path} shares the weight of a layer of its own stack`);
    return sibling;
  }

  #source(side: Side, path: string): Parameter {
    const parameter = this.#sides[side]?.parameters.get(path);
    invariant(parameter !== undefined, `${path} is a parameter of the ${side}'s model`);
    return parameter;
  }

  #bytesBefore(origin: Origin): number {
    if (origin.kind !== 'copied' || this.#sides[origin.side] !== this.#base || this.#counted.has(origin.path)) return 0;
    this.#counted.add(origin.path);
    return bytesOf(this.#source(origin.side, origin.path));
  }

  #describe({ path }: ParameterSpec, origin: Origin): string {
    if (origin.kind === 'shared') return `shared with ${groupOf(origin.owner)}`;
    if (origin.kind === 'copied') return path.includes('.cross.') ? 'copied from the attention to itself' : 'copied';
    return origin.kind === 'zeros' ? 'zero' : 'new';
  }
}

function bytesOf({ tensors }: Parameter): number {
  return Object.values(tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}
