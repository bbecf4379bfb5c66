// Pruning of single weights: makes them zero by one of the methods, and stores what stays sparsely.
import { AppError, at, invariant, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import { runCooperatively } from '#linalg';
import {
  type CodeLayout,
  keptCount,
  type Model,
  maskFlags,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  replaceParameters,
  slotOnHost,
  sparsePieces,
  sparseSlot,
} from '#models';
import { castTensor, float32, type HostTensor, transposeMatrix } from '#tensor';
import type { Calibration } from '../calibration.ts';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { relativeError } from '../decomposition/factor-problem.ts';
import { dropDeadInputs } from '../decomposition/input-factor.ts';
import { inputsOfLayers, type LayerInputs } from '../decomposition/layer-inputs.ts';
import { byInput, bytesOf, slotRows, withSlot } from '../decomposition/slot-matrices.ts';
import { LayerRun } from '../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type MethodResult, methodReport } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import { keptByScore, magnitudes, type Share, wandaScores } from './masks.ts';
import { groupPatterns, type WeightPruningSettings } from './settings.ts';
import { sparseGpt } from './sparse-gpt.ts';
import { allDrops, checkFinite, checkGroups, describeTarget, floorOf, type Target, type TargetSlot } from './targets.ts';

/** Whether these settings look at layer inputs. */
export function readsInputs({ method }: WeightPruningSettings): boolean {
  return method === 'wanda' || method === 'sparsegpt';
}

const reportNote = 'Zeros are stored as a bitmap. Graphs get the whole matrices: latency and device memory are those of the model before.';

/** @throws AppError those of `selectMatrices` | `does_not_factor` */
export function selectTargets(model: Model, settings: WeightPruningSettings): Target[] {
  const targets = selectMatrices(model, settings).map((spec) => describeTarget(model, spec));
  checkGroups(targets, settings);
  return targets;
}

/** Prunes the weights of every selected matrix. */
export async function pruneWeights(
  model: Model,
  settings: WeightPruningSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<MethodResult> {
  const targets = selectTargets(model, settings);
  const drops = await runCooperatively(allDrops(targets, settings), context.signal);
  const matrices = new EngineMatrices(environment.engine, context.signal);
  try {
    const layers = new LayerRun('prune', targets.length, environment, context);
    const run = new WeightPruning(model, settings, layers, context, matrices);
    const jobs = targets.map((target, index) => ({ target, drops: at(drops, index) }));
    const finished = await run.apply(jobs, environment.calibration);
    const report = methodReport(
      'prune',
      finished.map(({ layer }) => layer),
    );
    const parameters = finished.flatMap((each) => each.parameters);
    return { model: replaceParameters(model, parameters), report: { ...report, note: reportNote } };
  } finally {
    await matrices.release();
  }
}

interface Job {
  readonly target: Target;
  /** For each slot. */
  readonly drops: readonly number[];
}

/** A slot with some of its weights gone. */
interface Pruned {
  readonly numbers: HostTensor;
  readonly keeps: Uint8Array;
}

/** One application of the method: what all its layers share. */
class WeightPruning {
  readonly #model: Model;
  readonly #settings: WeightPruningSettings;
  readonly #layers: LayerRun;
  readonly #context: OperationContext;
  readonly #matrices: EngineMatrices;

  constructor(model: Model, settings: WeightPruningSettings, layers: LayerRun, context: OperationContext, matrices: EngineMatrices) {
    this.#model = model;
    this.#settings = settings;
    this.#layers = layers;
    this.#context = context;
    this.#matrices = matrices;
  }

  /** Results in the order of the jobs. */
  async apply(jobs: readonly Job[], calibration: Calibration | undefined): Promise<FinishedLayer[]> {
    const { method, sequential } = this.#settings;
    const reads = readsInputs(this.#settings);
    const finished = new Map<string, FinishedLayer>();
    const calibrated = jobs.filter(({ target }) => reads && target.hasInputs);
    for (const job of jobs) if (!calibrated.includes(job)) finished.set(job.target.spec.path, await this.#layer(job, undefined));
    if (calibrated.length > 0 && calibration === undefined)
      throw new AppError('not_enough_samples', `prune: method "${method}" looks at layer inputs and got no calibration text. Give data.`);
    // Inputs of a block come from the model as the blocks before it left it; within a block nothing changes, so that a
    // stopped run, which has only some of its layers, sees the same.
    let current = this.#model;
    for (const group of sequential ? byBlock(calibrated) : [calibrated]) {
      if (calibration !== undefined)
        for (const [path, layer] of await this.#calibrated(current, group, calibration)) finished.set(path, layer);
      current = replaceParameters(
        current,
        group.flatMap(({ target }) => finished.get(target.spec.path)?.parameters ?? []),
      );
    }
    return jobs.map(({ target }) => {
      const layer = finished.get(target.spec.path);
      invariant(layer !== undefined, `${target.spec.path} was not pruned`);
      return layer;
    });
  }

  /** Layers whose inputs are those of `model`. */
  async #calibrated(model: Model, jobs: readonly Job[], calibration: Calibration): Promise<Map<string, FinishedLayer>> {
    const open = new Map(jobs.map((job) => [job.target.spec.path, job]));
    const finished = await this.#layers.recallAll(open.keys());
    for (const path of finished.keys()) open.delete(path);
    if (open.size === 0) return finished;
    for await (const { path, target, inputs } of inputsOfLayers(calibration, model, open, this.#matrices, this.#context))
      finished.set(path, await this.#layer(target, inputs));
    return finished;
  }

  #layer(job: Job, inputs: LayerInputs | undefined): Promise<FinishedLayer> {
    return this.#layers.layer(job.target.spec.path, () => this.#make(job, inputs));
  }

  async #make({ target, drops }: Job, inputs: LayerInputs | undefined): Promise<FinishedLayer> {
    const { spec, parameter: before, slots, hasInputs } = target;
    const after = await this.#prune(target, drops, inputs);
    const [bytesBefore, bytesAfter] = [bytesOf(before.tensors), bytesOf(after.tensors)];
    const base = { path: spec.path, kindBefore: before.kind, bytesBefore, bytesAfter };
    if (after === before) {
      const note = slots.length === 0 ? 'kept as it is: it stores no matrix of its own' : 'kept as it is: none of its weights had to go';
      return { layer: { ...base, kindAfter: before.kind, weightError: 0, note }, parameters: [] };
    }
    const old = this.#weight(spec, before);
    await this.#pause();
    const made = this.#weight(spec, after);
    await this.#pause();
    const difference = float32(
      spec.shape,
      old.data.map((value, index) => value - (made.data[index] ?? 0)),
    );
    await this.#pause();
    const weightError = relativeError({ lost: energy(difference.data), total: energy(old.data) });
    const notes = [
      ...(readsInputs(this.#settings) && !hasInputs ? ['by magnitude: its inputs are not known'] : []),
      ...(bytesAfter > bytesBefore ? ['stores more than before: the bitmap costs more than its zeros'] : []),
    ];
    const layer = {
      ...base,
      kindAfter: `${before.kind}, ${(100 * sparsityOf(after, slots)).toFixed(1)} % zeros`,
      weightError,
      ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
    };
    if (inputs === undefined) return { layer, parameters: [after] };
    const outputError = relativeError({
      lost: await inputs.outputEnergy(new Float64Array(difference.data)),
      total: await inputs.outputEnergy(new Float64Array(old.data)),
    });
    return { layer: { ...layer, outputError }, parameters: [after] };
  }

  /** Prunes one slot after the other; the inputs of the second are the outputs of the pruned first. */
  async #prune({ spec, parameter, slots }: Target, drops: readonly number[], inputs: LayerInputs | undefined): Promise<Parameter> {
    let result = parameter;
    let current = inputs;
    try {
      for (const [index, slot] of slots.entries()) {
        const dropped = at(drops, index);
        const pruned = dropped === 0 ? undefined : await this.#pruneSlot(parameter, slot, dropped, current);
        await this.#pause();
        if (pruned?.keeps.includes(0) === true) result = withSlot(result, slot.name, sparseSlot(slot.name, pruned.numbers, pruned.keeps));
        if (current === undefined || index + 1 === slots.length) continue;
        const previous = current;
        current = await previous.through(byInput(slotRows(slotOnHost(spec, result, slot.name), slot.layout), slot.layout));
        if (previous !== inputs) previous.release();
      }
    } finally {
      if (current !== inputs) current?.release();
    }
    return result;
  }

  /** The numbers of the slot, of which those that go no longer count, and one flag a number in the slot's own order. */
  async #pruneSlot(parameter: Parameter, slot: TargetSlot, dropped: number, inputs: LayerInputs | undefined): Promise<Pruned> {
    checkFinite(slot);
    await this.#pause();
    const whole = slot.whole();
    const former = formerFlags(parameter, slot);
    const share = this.#share(slot, dropped);
    if (inputs !== undefined && this.#settings.method === 'sparsegpt') {
      const made = await this.#bySparseGpt(slot, whole, former, share, inputs);
      return { numbers: made.numbers, keeps: both(made.keeps, former) };
    }
    const rows = slotRows(whole, slot.layout);
    await this.#pause();
    const isWanda = this.#settings.method === 'wanda' && inputs !== undefined;
    const scores = isWanda ? wandaScores(rows, inputs.norms()) : magnitudes(rows);
    const scope = this.#settings.scope ?? (isWanda ? 'row' : 'layer');
    const byRows = await runCooperatively(
      keptByScore(scores, slot.layout, share, scope === 'row' ? 'row' : 'matrix'),
      this.#context.signal,
    );
    const keeps = both(ownOrder(byRows, slot.layout), former);
    return { numbers: whole, keeps };
  }

  async #bySparseGpt(
    { layout, dtype }: TargetSlot,
    whole: HostTensor,
    former: Uint8Array | undefined,
    share: Share,
    inputs: LayerInputs,
  ): Promise<Pruned> {
    const factor = await inputs.factor('given');
    const weight = byInput(slotRows(whole, layout), layout);
    dropDeadInputs(weight, factor);
    // Slots with inputs are matrices [in, out], which is the order of the recursion too.
    invariant(layout.isTransposed, 'a slot with inputs has them as rows');
    const { weight: made, keeps } = await sparseGpt(this.#matrices, weight, factor, share, former);
    return { numbers: castTensor(float32([layout.columns, layout.rows], Float32Array.from(made)), dtype), keeps };
  }

  /** Between two passes over all numbers of a matrix, which may be an embedding. @throws AppError `cancelled` */
  async #pause(): Promise<void> {
    await yieldToEventLoop();
    throwIfCancelled(this.#context.signal);
  }

  #share({ layout }: TargetSlot, dropped: number): Share {
    const { pattern, ratio } = this.#settings;
    if (pattern !== 'unstructured') return { kind: 'groups', pattern: groupPatterns[pattern] };
    const perRow = dropped / layout.rows;
    // A ratio is a promise of bytes, a sparsity one of zeros.
    const droppedPerRow = ratio === undefined ? this.#floorPerRow(layout) : Math.ceil(perRow);
    return { kind: 'unstructured', dropped, droppedPerRow };
  }

  #floorPerRow({ columns }: CodeLayout): number {
    return floorOf((this.#settings.sparsity ?? 0) * columns);
  }

  #weight({ path }: ParameterSpec, parameter: Parameter): HostTensor<'float32'> {
    return materializeParameter(replaceParameters(this.#model, [parameter]), path);
  }
}

/** Consecutive jobs of one block. */
function byBlock(jobs: readonly Job[]): Job[][] {
  const groups: Job[][] = [];
  let last: number | undefined;
  for (const job of jobs) {
    const { block } = job.target.spec;
    if (groups.length === 0 || block !== last) groups.push([]);
    groups.at(-1)?.push(job);
    last = block;
  }
  return groups;
}

/** Of a slot that is sparse already: what is zero stays zero. */
function formerFlags(parameter: Parameter, { name, size }: TargetSlot): Uint8Array | undefined {
  const mask = parameter.tensors[sparsePieces(name).mask];
  return keptCount(parameter, name) === undefined || mask === undefined ? undefined : maskFlags(mask, size);
}

function both(first: Uint8Array, second: Uint8Array | undefined): Uint8Array {
  return second === undefined ? first : first.map((flag, index) => flag & (second[index] ?? 0));
}

/** Flags [N, K] in the order of the slot itself. */
function ownOrder(flags: Uint8Array, { rows, columns, isTransposed }: CodeLayout): Uint8Array {
  if (!isTransposed) return flags;
  return transposeMatrix({ dtype: 'uint8', shape: [rows, columns], data: flags }).data;
}

function sparsityOf(parameter: Parameter, slots: readonly TargetSlot[]): number {
  const kept = slots.reduce((sum, { name, size }) => sum + (keptCount(parameter, name) ?? size), 0);
  return 1 - kept / slots.reduce((sum, { size }) => sum + size, 0);
}

function energy(numbers: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < numbers.length; index++) sum += (numbers[index] ?? 0) ** 2;
  return sum;
}
