// How much memory a compression will need, worked out before it starts, and what would fit where it does not.
import { totalmem } from 'node:os';
import { AppError, at } from '#base';
import { largestCalibrationBytes, type Recipe, type RecipeStep, sumsBytes } from '#compress';
import { graphType, type Model, type ModelConfig, parameterCounts, parameterSpecs, storedTensors } from '#models';
import { dtypeBytes, sizeOf } from '#tensor';

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
const slackBytes = 48 * 2 ** 20;

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
  const message = `compress: ${print(neededBytes)} are needed at the peak (${phase}), ${print(request.residentBytes)} of them held already, and ${print(limitBytes)} is the limit. ${remedy(request, plan)}`;
  throw new AppError('insufficient_memory', message, { details: { neededBytes, limitBytes, phase } });
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
  const phases: Phase[] = [
    { name: 'loading the result back', bytes: deviceBytes, besideBytes: deviceBytes + storedBytes + freshProcessBytes },
    ...recipe.steps.map((step) => ({ name: step.method, bytes: stepBytes(step, model, deviceBytes) })),
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

function stepBytes({ training }: RecipeStep, model: Model, deviceBytes: number): number {
  if (training === undefined) return largestScratchBytes(model);
  const { batchSize = 8, sequenceLength = 128 } = training;
  const length = Math.min(sequenceLength, model.config.maxPositions);
  // Student, gradient and two moments on the device with the teacher; a checkpoint copies the trained ones and their moments to the host.
  return 5 * deviceBytes + 3 * deviceBytes + activationBytes(model.config, batchSize, length, true);
}

/** Weights on the device: floats are widened to 32 bits there. */
export function weightBytes(model: Model): number {
  return [...storedTensors(model).values()].reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * dtypeBytes[graphType(dtype)], 0);
}

/**
 * What a run over [B, T] tokens holds: the inputs of every layer, as calibration reads them and a backward pass needs them, and the scores of one
 * block, or of all where gradients are wanted.
 */
function activationBytes(config: ModelConfig, batch: number, length: number, hasGradients: boolean): number {
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

function remedy(request: MemoryRequest, { neededBytes, phase }: MemoryPlan): string {
  if (phase === 'calibration')
    for (let window = Math.floor(request.window / 2); window >= 16; window = Math.floor(window / 2))
      if (estimate({ ...request, window }).neededBytes <= request.limitBytes) return `calibration.sequenceLength ${window} would fit.`;
  const trains = request.recipe.steps.filter(({ training }) => training !== undefined);
  if (trains.some(({ method }) => method === phase)) {
    const given = Math.max(...trains.map(({ training }) => training?.batchSize ?? 8));
    for (let batchSize = Math.floor(given / 2); batchSize >= 1; batchSize = Math.floor(batchSize / 2)) {
      const steps = request.recipe.steps.map((step) =>
        step.training === undefined ? step : { ...step, training: { ...step.training, batchSize } },
      );
      if (estimate({ ...request, recipe: { ...request.recipe, steps } }).neededBytes <= request.limitBytes)
        return `${phase}${phase === 'distill' ? '' : '.training'}.batchSize ${batchSize} with more gradientAccumulation would fit.`;
    }
  }
  return `Unload other models, or give the server at least ${print(neededBytes)}.`;
}

function print(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;
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
