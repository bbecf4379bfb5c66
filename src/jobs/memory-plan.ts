// How much memory a compression will need, worked out before it starts, and what would fit where it does not.
import { totalmem } from 'node:os';
import { at } from '#base';
import { everyStep, largestCalibrationBytes, type Recipe, type RecipeStep, sumsBytes } from '#compress';
import { graphType, type Model, type ModelConfig, parameterCounts, parameterSpecs, storedTensors } from '#models';
import { type MethodTraining, teacherElsewhere } from '#teaching';
import { dtypeBytes, sizeOf } from '#tensor';
import { type Fit, insufficientMemory } from './insufficient-memory.ts';

/** Bytes that this process may hold: the smallest of what was configured, its control group's limit and the machine's memory. */
export function memoryLimitBytes(configuredBytes: number | undefined): number {
  // Without a control group Node answers 0 or a number beyond any machine.
  const constrained = process.constrainedMemory();
  return Math.min(configuredBytes ?? Number.POSITIVE_INFINITY, constrained > 0 ? constrained : Number.POSITIVE_INFINITY, totalmem());
}

export interface MemoryRequest {
  readonly model: Model;
  readonly recipe: Recipe;
  /** Tokens of a calibration window, and windows in one run. */
  readonly window: number;
  readonly windowsPerRun: number;
  readonly limitBytes: number;
  /** What the process holds already. */
  readonly residentBytes: number;
}

/** What one part of the work holds while it runs. */
interface Phase {
  readonly name: string;
  readonly bytes: number;
  /** What a process beside this one holds meanwhile; it counts against the limit. */
  readonly besideBytes?: number;
}

export interface MemoryPlan {
  /** Of the whole process at its largest, what it holds already included. */
  readonly estimatedPeakBytes: number;
  /** The like with the process that loads the result back, which holds memory of its own. */
  readonly neededBytes: number;
  readonly limitBytes: number;
  /** The part of the work that needs most. */
  readonly phase: string;
  /** Room for the sums of one calibration pass: less room, more passes. */
  readonly calibrationBytes: number;
}

/** The largest budget of a calibration pass, where there is room. */
const usualCalibrationBytes = largestCalibrationBytes;
/** Node, the runtime and the code of the process that loads the result back. */
const freshProcessBytes = 150 * 2 ** 20;
/** Compiled programs, the runtime's arena, garbage that is not collected yet. */
export const slackBytes = 48 * 2 ** 20;

/**
 * Estimates the peak, and makes it fit by calibrating in more passes.
 *
 * An estimate, not a bound: what a phase holds is counted, what the runtime adds is not known.
 *
 * @throws AppError `insufficient_memory` naming what needs most and what would fit
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
  const plan = estimate(request);
  if (plan.neededBytes <= request.limitBytes) return plan;
  const { neededBytes, limitBytes, phase } = plan;
  const { residentBytes } = request;
  throw insufficientMemory({
    place: 'compress',
    phase,
    neededBytes,
    residentBytes,
    limitBytes,
    fits: fitting(request, plan),
    details: { phase },
  });
}

function estimate(request: MemoryRequest): MemoryPlan {
  const { model, recipe, limitBytes, residentBytes } = request;
  const [deviceBytes, { storedBytes }] = [weightBytes(model), parameterCounts(model)];
  // The changed parameters stand beside the old ones until the end.
  const held = residentBytes + storedBytes + slackBytes;
  const calibrates = recipe.steps.some(({ needsCalibration }) => needsCalibration);
  const fixed = deviceBytes + activationBytes(model.config, request.windowsPerRun, request.window, false);
  const { largest, all } = sumsBytes(model);
  const scratch = largestScratchBytes(model);
  const room = Math.min(usualCalibrationBytes, all, limitBytes - held - fixed - scratch);
  const calibrationBytes = Math.max(largest, Math.floor(room));
  const growth = resultGrowth(recipe);
  const phases: Phase[] = [
    {
      name: 'loading the result back',
      bytes: growth * deviceBytes,
      besideBytes: growth * (deviceBytes + storedBytes) + freshProcessBytes,
    },
    ...everyStep(recipe).map((step) => ({ name: step.method, bytes: stepBytes(step, model, deviceBytes) })),
    ...(calibrates ? [{ name: 'calibration', bytes: fixed + calibrationBytes + scratch }] : []),
  ];
  const needed = ({ bytes, besideBytes = 0 }: Phase): number => held + bytes + besideBytes;
  // What does not fit is named before what is largest in this process.
  const tightest = phases.reduce((most, phase) => (needed(phase) > needed(most) ? phase : most));
  const largestHere = phases.reduce((most, phase) => (phase.bytes > most.bytes ? phase : most));
  const named = needed(tightest) > limitBytes ? tightest : largestHere;
  return {
    estimatedPeakBytes: Math.ceil(held + largestHere.bytes),
    neededBytes: Math.ceil(needed(tightest)),
    limitBytes,
    phase: named.name,
    calibrationBytes,
  };
}

function stepBytes({ method, settings, training, adapts, growth, models, nested }: RecipeStep, model: Model, deviceBytes: number): number {
  if (method === 'warmStart') return resultGrowth({ steps: [{ method, settings }] }) * deviceBytes;
  // A search holds the best model beside the one that it tries, and has it on the device to measure it.
  const tried = nested === undefined ? 0 : parameterCounts(model).storedBytes + deviceBytes;
  if (training === undefined) return largestScratchBytes(model) + tried;
  const { sequenceLength = 128, memory } = training;
  // With memory "auto" the training takes micro-batches as small as it must.
  const batchSize = memory === 'auto' ? 1 : (training.batchSize ?? 8);
  const length = Math.min(sequenceLength, model.config.maxPositions);
  const activations = activationBytes(model.config, batchSize, length, true);
  const taught = teachingBytes(training, model, deviceBytes, [batchSize, length]);
  // The model on the device, and a teacher if one is named; what trains beside it is small.
  if (adapts) return deviceBytes + (models.length > 0 || teacherElsewhere(training) !== undefined ? taught : 0) + activations;
  // Student, gradient and two moments on the device with the teacher; a checkpoint copies the trained ones and their moments to the host.
  return (4 + 3 + (keepsBest(settings) ? 1 : 0)) * growth * deviceBytes + taught + activations;
}

/** Whether the training may end early, and so keeps the weights that did best on the host. */
function keepsBest(settings: unknown): boolean {
  return ((settings as { readonly patience?: number }).patience ?? 0) > 0;
}

/** Answers of each row that a recording is taken to have: how many is not known before it is opened. */
const recordedTopK = 32;

/**
 * Teachers of a training, taken to be as large as the model, with the attention of all layers where losses compare it; of one elsewhere its answers to a
 * batch and to the next, on the host and on the device.
 */
function teachingBytes(
  training: MethodTraining,
  { config }: Model,
  deviceBytes: number,
  [batch, length]: readonly [number, number],
): number {
  const { losses = [], teachers = [] } = training;
  const elsewhere = teacherElsewhere(training);
  if (elsewhere !== undefined) {
    const topK = elsewhere.kind === 'recorded' ? recordedTopK : elsewhere.topK;
    return 4 * answerBytes(topK, config.vocabularySize) * batch * length;
  }
  const count = Math.max(1, teachers.length);
  const compares = losses.some(({ kind }) => kind === 'attention' || kind === 'relation');
  const attention = compares ? 4 * 2 * config.layers * batch * config.heads * length ** 2 : 0;
  return count * (deviceBytes + attention);
}

/** Bytes of a row of answers of a teacher elsewhere; all of them, in half precision, without `topK`. */
export function answerBytes(topK: number | undefined, vocabularySize: number): number {
  return topK === undefined ? 2 * vocabularySize : 12 * topK + 4;
}

/** Size of the result relative to the model: one, except for two stacks made of one, of which the decoder's attends to the source as well. */
function resultGrowth({ steps }: { readonly steps: readonly Pick<RecipeStep, 'method' | 'settings'>[] }): number {
  const start = steps.find(({ method }) => method === 'warmStart');
  if (start === undefined) return 1;
  return (start.settings as { readonly share: boolean }).share ? 1.5 : 2.5;
}

/** Weights on the device: floats are widened to 32 bits there. */
export function weightBytes(model: Model): number {
  return [...storedTensors(model).values()].reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * dtypeBytes[graphType(dtype)], 0);
}

/**
 * What a run over [B, T] tokens holds: the inputs of every layer, as calibration reads them and a backward pass needs them, and the scores of one
 * block, or of all where gradients are wanted.
 */
export function activationBytes(config: ModelConfig, batch: number, length: number, hasGradients: boolean): number {
  const { width: D, feedForwardWidth: F, heads: H, layers: L, vocabularySize: V } = config;
  const tokens = batch * length;
  const layer = tokens * (8 * D + 3 * F);
  const scores = 2 * batch * H * length * length;
  const logits = hasGradients ? 4 * Math.min(tokens * V, 2 ** 25) : 0;
  return 4 * (L * layer + (hasGradients ? L : 1) * scores + logits);
}

/** Work on the largest layer, and on the next one, which overlaps with it: copies and Gram matrices in 64 bits. */
function largestScratchBytes(model: Model): number {
  const sizes = [...parameterSpecs(model).values()].flatMap(({ role, shape }) => {
    if (role !== 'linear') return [];
    const [m, n] = [at(shape, 0), at(shape, 1)];
    return [2 * 8 * (3 * m * n + 4 * m * m)];
  });
  return Math.max(0, ...sizes);
}

/** Steps that are a training; the others have theirs in the field `training`. */
const areTrainings: ReadonlySet<string> = new Set(['distill', 'train', 'finetune']);

/** The largest change for the part that needs most with which everything fits. */
function fitting(request: MemoryRequest, { phase }: MemoryPlan): readonly Fit[] {
  const { limitBytes } = request;
  if (phase === 'calibration')
    for (let window = Math.floor(request.window / 2); window >= 16; window = Math.floor(window / 2)) {
      const { neededBytes: bytes } = estimate({ ...request, window });
      if (bytes <= limitBytes) return [{ what: `calibration.sequenceLength ${window}`, bytes }];
    }
  const trains = everyStep(request.recipe).filter(({ training }) => training !== undefined);
  if (!trains.some(({ method }) => method === phase)) return [];
  const given = Math.max(...trains.map(({ training }) => training?.batchSize ?? 8));
  for (let batchSize = Math.floor(given / 2); batchSize >= 1; batchSize = Math.floor(batchSize / 2)) {
    const steps = everyStep(request.recipe).map(({ nested: _, ...step }) =>
      step.training === undefined ? step : { ...step, training: { ...step.training, batchSize } },
    );
    const { neededBytes: bytes } = estimate({ ...request, recipe: { ...request.recipe, steps } });
    const place = `${phase}${areTrainings.has(phase) ? '' : '.training'}`;
    if (bytes <= limitBytes)
      return [{ what: `${place}.batchSize ${batchSize} with more gradientAccumulation`, bytes }, { what: `${place}.memory "auto"` }];
  }
  return [];
}

/** Reads the memory of the process every so often, and keeps the largest. */
export class PeakMemory {
  readonly #timer: NodeJS.Timeout;
  #peakBytes = 0;

  constructor(everyMs = 50) {
    this.#timer = setInterval(() => this.sample(), everyMs);
    this.#timer.unref();
    this.sample();
  }

  get peakBytes(): number {
    this.sample();
    return this.#peakBytes;
  }

  sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, process.memoryUsage.rss());
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
