// How a step of a model runs: as one program, or in parts that end as soon as every position has halted.
import { at, chosen, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, mixPrecision, optimizeGraph, topologicalOrder } from '#graph';
import {
  buildDecodeGraph,
  buildHaltingGraphs,
  type CacheFormat,
  cacheName,
  cacheTensors,
  declarations,
  fillPlaces,
  graphNames,
  haltedRowInputs,
  haltingNames,
  haltingStateNames,
  haltingStepInputs,
  type Model,
  type ModelDeclaration,
  modelInputs,
  repeatsOneBlock,
  signalInputs,
} from '#models';
import { castTensor, type HostTensor, int32, type NarrowFloat, tensorBytes, toNumbers } from '#tensor';
import type { CacheBinding, CacheType } from './key-value-caches.ts';

export type StepInputs = Readonly<Record<string, DeviceBuffer | HostTensor>>;

/** The programs of one model with a cache. */
export interface StepPrograms {
  /** Bytes of the weights, as graphs use them. */
  readonly weightBytes: number;
  /** Of keys and values. @default 'float32' */
  readonly cacheType?: CacheType;
  /** Runs tokens, positions and lengths through the model. Returns the logits of the rows asked for, [M, V]; the caller releases them. */
  run(inputs: StepInputs, cache: CacheBinding, signal: AbortSignal | undefined): Promise<DeviceBuffer>;
  release(): Promise<void>;
}

export interface StepProgramOptions {
  readonly name: string;
  /** All positions are below this. */
  readonly contextTokens: number;
  /** The model's parameters where they are on the device already; they stay the caller's. Absent: they are packed into the programs. */
  readonly weights?: Readonly<Record<string, DeviceBuffer>>;
  /** Matrices, products and the cache are kept in these floats; not for weights of others, and not for models that repeat one block. */
  readonly products?: NarrowFloat;
  /** Of the codes of an int8 cache (`cacheScales`). Absent: the cache holds floats. */
  readonly scales?: ReadonlyMap<string, HostTensor>;
}

/** Does not keep `model` itself. @throws AppError `engine_failure` | `out_of_memory` */
export async function compileSteps(engine: Engine, model: Model, options: StepProgramOptions): Promise<StepPrograms> {
  const { contextTokens, products, scales } = options;
  const cache = scales === undefined ? 'float32' : 'int8';
  invariant(
    scales === undefined || (products === undefined && !repeatsOneBlock(model)),
    'halting and half precision have no cache of codes',
  );
  if (products !== undefined) return await compileNarrow(engine, model, products, options);
  const graphs: Readonly<Record<string, Graph>> = repeatsOneBlock(model)
    ? { ...buildHaltingGraphs(model, contextTokens) }
    : { whole: wholeGraph(model, contextTokens, cache) };
  const compiled = new Map<string, Bound>();
  const held = new Map<string, number>();
  try {
    for (const [part, graph] of Object.entries(graphs))
      compiled.set(part, await bind(engine, model, part, optimizeGraph(graph), options, held));
  } catch (error) {
    for (const { program } of compiled.values()) await program.release();
    throw error;
  }
  const weightBytes = [...held.values()].reduce((total, bytes) => total + bytes, 0);
  return repeatsOneBlock(model)
    ? new HaltingPrograms(declarations(model), compiled, weightBytes)
    : new WholeProgram(partOf(compiled, 'whole'), weightBytes, cache);
}

function wholeGraph(model: Model, contextTokens: number, cache: CacheFormat = 'float32'): Graph {
  return buildDecodeGraph(model, { batch: 'B', length: 'T', room: 'S', positionLimit: contextTokens, logits: 'rows', cache });
}

async function compileNarrow(engine: Engine, model: Model, products: NarrowFloat, options: StepProgramOptions): Promise<StepPrograms> {
  const graph = optimizeGraph(wholeGraph(model, options.contextTokens));
  const caches = cacheTensors(model, 1, 1);
  // Vectors are small, and what they are added to is float32.
  const matrices = [...modelInputs(model)].filter(([, { dtype, shape }]) => dtype === 'float32' && shape.length > 1);
  const inputs = new Set([...matrices.map(([name]) => name), ...caches.map(({ input }) => input)]);
  const narrow = mixPrecision(graph, products, { inputs, outputs: new Set(caches.map(({ output }) => output)) });
  const held = new Map<string, number>();
  const bound = await bind(engine, model, 'whole', narrow, options, held);
  const weightBytes = [...held.values()].reduce((total, bytes) => total + bytes, 0);
  return new WholeProgram(bound, weightBytes, products);
}

/** A program with the weights that it reads from buffers. */
interface Bound {
  readonly program: Program;
  readonly weights: Readonly<Record<string, DeviceBuffer>>;
}

async function bind(
  engine: Engine,
  model: Model,
  part: string,
  graph: Graph,
  { name, weights, scales = new Map() }: StepProgramOptions,
  held: Map<string, number>,
): Promise<Bound> {
  const wanted = new Map(graph.inputs.map((input) => [input.name, input.value.dtype]));
  const label = part === 'whole' ? name : `${name} ${part}`;
  // A bias of the scores has the length of the longest row.
  const replays = part === 'whole' && !topologicalOrder(graph).some(({ op }) => op === 'biasedGroupQueryAttention');
  if (weights !== undefined) {
    const used = Object.fromEntries(Object.entries(weights).filter(([input]) => wanted.has(input)));
    for (const [input, { sizeBytes }] of Object.entries(used)) held.set(input, sizeBytes);
    return { program: await engine.compile(graph, { name: label, frozen: scales, replays }), weights: used };
  }
  const frozen = new Map<string, HostTensor>(scales);
  for (const [input, tensor] of modelInputs(model)) {
    const dtype = wanted.get(input);
    if (dtype === undefined) continue;
    const stored = castTensor(tensor, dtype);
    frozen.set(input, stored);
    held.set(input, tensorBytes(stored));
  }
  return { program: await engine.compile(graph, { name: label, frozen, replays }), weights: {} };
}

function partOf(parts: ReadonlyMap<string, Bound>, name: string): Bound {
  const part = parts.get(name);
  invariant(part !== undefined, `the part ${name} was compiled`);
  return part;
}

/** What a program reads of its weights and of all that is there. */
function inputsOf({ program, weights }: Bound, available: StepInputs): Record<string, DeviceBuffer | HostTensor> {
  return chosen({ ...available, ...weights }, program.inputNames);
}

function runOptions(outputs: Readonly<Record<string, DeviceBuffer>>, signal: AbortSignal | undefined) {
  return { outputs, ...(signal === undefined ? {} : { signal }) };
}

class WholeProgram implements StepPrograms {
  readonly weightBytes: number;
  readonly cacheType: CacheType;
  readonly #bound: Bound;

  constructor(bound: Bound, weightBytes: number, cacheType: CacheType = 'float32') {
    this.#bound = bound;
    this.weightBytes = weightBytes;
    this.cacheType = cacheType;
  }

  async run(inputs: StepInputs, cache: CacheBinding, signal: AbortSignal | undefined): Promise<DeviceBuffer> {
    const { program, weights } = this.#bound;
    const replays = program.replays === true && inputs[graphNames.tokens]?.shape[1] === 1;
    const given = { ...weights, ...cache.inputs, ...inputs, ...(replays ? { [graphNames.totalLength]: roomOf(cache) } : {}) };
    const results = await program.run(given, { ...runOptions(cache.outputs, signal), replays });
    return logitsOf(results);
  }

  async release(): Promise<void> {
    await this.#bound.program.release();
  }
}

/** A number that a recorded step keeps: the lengths of the rows say how far each one sees. */
function roomOf(cache: CacheBinding): HostTensor {
  const [first] = Object.values(cache.inputs);
  invariant(first !== undefined, 'a step has a cache');
  return int32([1], [at(first.shape, 2)]);
}

/** Rows that have halted are left out of a step once they are so many, and so large a share: before that, to move rows costs what it saves. */
const worthLeavingOut = { rows: 32, share: 0.25 };

/**
 * One block over and over. Of positions that have halted a further application computes only the keys and values that others read there; when all of
 * a step have, one run writes those of several applications, and nothing else is computed.
 */
class HaltingPrograms implements StepPrograms {
  readonly weightBytes: number;
  readonly #model: ModelDeclaration;
  readonly #parts: ReadonlyMap<string, Bound>;
  readonly #stepInputs: readonly Readonly<Record<string, HostTensor>>[];
  /** By the first step that a run of `fill` writes. */
  readonly #fills: readonly { readonly steps: readonly number[]; readonly inputs: Readonly<Record<string, HostTensor>> }[];
  readonly #places: number;

  constructor(model: ModelDeclaration, parts: ReadonlyMap<string, Bound>, weightBytes: number) {
    this.#model = model;
    this.#parts = parts;
    this.weightBytes = weightBytes;
    const { layers } = model.config;
    this.#stepInputs = Array.from({ length: layers }, (_, step) => haltingStepInputs(model, step));
    this.#places = fillPlaces(model);
    this.#fills = Array.from({ length: layers }, (_, first) => {
      // Places beyond the last step write that step once more.
      const steps = Array.from({ length: this.#places }, (__, place) => Math.min(first + place, layers - 1));
      return { steps, inputs: signalInputs(model, steps) };
    });
  }

  async run(inputs: StepInputs, cache: CacheBinding, signal: AbortSignal | undefined): Promise<DeviceBuffer> {
    const { layers } = this.#model.config;
    const begin = partOf(this.#parts, 'begin');
    const available = { ...cache.inputs, ...inputs };
    let state = await begin.program.run(inputsOf(begin, available), runOptions(pick(begin, cache.outputs), signal));
    try {
      let step = 0;
      for (let isRunning = runningIn(state); step < layers && isRunning.includes(1); step++, isRunning = runningIn(state)) {
        const numHalted = isRunning.filter((flag) => flag === 0).length;
        const isPartial = numHalted >= Math.max(worthLeavingOut.rows, worthLeavingOut.share * isRunning.length);
        const rows = isPartial ? haltedRowInputs(isRunning) : {};
        const given = { ...available, ...state, ...this.#stepInputs[step], ...rows };
        const made = await this.#run(isPartial ? 'partialStep' : 'step', [step], given, cache, signal);
        releaseStates(state);
        state = made;
      }
      for (; step < layers; step += this.#places) {
        const { steps, inputs: signals } = at(this.#fills, step);
        await this.#run('fill', steps, { ...available, ...state, ...signals }, cache, signal);
      }
      const end = partOf(this.#parts, 'end');
      return logitsOf(await end.program.run(inputsOf(end, { ...available, ...state }), runOptions({}, signal)));
    } finally {
      releaseStates(state);
    }
  }

  async release(): Promise<void> {
    for (const { program } of this.#parts.values()) await program.release();
  }

  /** Runs a part with the caches of these steps. */
  async #run(
    name: 'step' | 'partialStep' | 'fill',
    steps: readonly number[],
    given: StepInputs,
    cache: CacheBinding,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, DeviceBuffer>> {
    const part = partOf(this.#parts, name);
    const inputs = inputsOf(part, { ...given, ...cachesOf(cache.inputs, 'cache', steps) });
    return await part.program.run(inputs, runOptions(cachesOf(cache.outputs, 'present', steps), signal));
  }
}

/** 1 for each position that goes on, and 0 for the others. */
function runningIn(state: Readonly<Record<string, DeviceBuffer>>): Float32Array {
  const buffer = state[haltingNames.isRunning];
  invariant(buffer !== undefined, 'a step says who goes on');
  return Float32Array.from(toNumbers(buffer.read()), Number);
}

/** The caches of some steps, under the names of layers 0, 1, …. */
function cachesOf(
  buffers: Readonly<Record<string, DeviceBuffer>>,
  kind: 'cache' | 'present',
  steps: readonly number[],
): Record<string, DeviceBuffer> {
  const entries = steps.flatMap((step, place) =>
    (['key', 'value'] as const).map((part): [string, DeviceBuffer] => {
      const buffer = buffers[cacheName(kind, step, part)];
      invariant(buffer !== undefined, `step ${step} has a cache`);
      return [cacheName(kind, place, part), buffer];
    }),
  );
  return Object.fromEntries(entries);
}

function pick({ program }: Bound, buffers: Readonly<Record<string, DeviceBuffer>>): Record<string, DeviceBuffer> {
  return Object.fromEntries(Object.entries(buffers).filter(([name]) => program.outputNames.includes(name)));
}

/** What one part handed to the next; caches stay. */
function releaseStates(results: Readonly<Record<string, DeviceBuffer>>): void {
  for (const name of haltingStateNames) results[name]?.release();
}

function logitsOf(results: Readonly<Record<string, DeviceBuffer>>): DeviceBuffer {
  const logits = results[graphNames.logits];
  invariant(logits !== undefined, 'a step made no logits');
  return logits;
}
