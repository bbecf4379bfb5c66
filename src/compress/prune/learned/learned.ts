// Pruning that is learnt: trains with masks on the weights, and stores sparsely what stays.
import { AppError, invariant, type OperationContext } from '#base';
import { runCooperatively } from '#linalg';
import {
  keptCount,
  type Model,
  maskFlags,
  type Parameter,
  replaceParameters,
  slotOnHost,
  sparsePieces,
  sparseSlot,
  storedName,
  taskOf,
} from '#models';
import { teachersNamed } from '#teaching';
import { castTensor } from '#tensor';
import type { TrainResult } from '#train';
import { changedLayer, parameterOf } from '../../changed-layer.ts';
import { withSlot } from '../../decomposition/slot-matrices.ts';
import {
  type CompressionEnvironment,
  type LayerReport,
  type Method,
  type MethodResult,
  methodReport,
  type TrainingMaterial,
} from '../../method.ts';
import { selectMatrices } from '../../patterns.ts';
import { trainedStep, trainOrRecall } from '../../train-or-recall.ts';
import { trainingLoss } from '../../training-loss.ts';
import { checkFinite, describeTarget, type Target } from '../targets.ts';
import { type MaskedSlot, MaskSet } from './mask-set.ts';
import { checkSchedule, type PruningSchedule } from './schedule.ts';
import { type ChosenTraining, gradualTraining, movementTraining, scoreLimit, scoreName, softMovementScheme } from './scheme.ts';
import { type LearnedPruningSettings, learnedPruningSettings } from './settings.ts';

const defaults = { steps: 300, learningRate: 3e-4, classifierRate: 1e-4, scoreLearningRate: 1e-2, threshold: 0.1, penalty: 400 };
const place = 'prune';
/** Key under which the pruned model is remembered. */
const resultKey = 'pruned';

/**
 * Makes weights zero while the model trains.
 *
 * @see README.md beside this file, and the sources at `maskedByScores` and `pruningShare`
 */
export const pruneLearned: Method<LearnedPruningSettings> = {
  name: 'prune',
  settings: learnedPruningSettings,
  needsCalibration: () => false,
  models: ({ training }) => teachersNamed(training),
  training: ({ training }) => training,
  // A score trains beside every weight that may go.
  growth: ({ method }) => (method === 'gradual' ? 1 : 2),
  check: (model, settings) => void selectTargets(model, settings),
  async apply(model, settings, environment, context) {
    const { training } = environment;
    if (training === undefined)
      throw new AppError('not_enough_samples', `prune: method "${settings.method}" trains on data and got none. Give data.`);
    const { schedule, targets } = selectTargets(model, settings);
    for (const { slots } of targets) for (const slot of slots) checkFinite(slot);
    const run = new LearnedPruning(settings, schedule, { ...environment, training }, context);
    return await run.apply(model, targets);
  },
};

/** @throws AppError those of `checkSchedule` and `selectMatrices` */
function selectTargets(model: Model, settings: LearnedPruningSettings): { readonly schedule: PruningSchedule; readonly targets: Target[] } {
  const schedule = { ...settings, steps: settings.training.steps ?? defaults.steps };
  checkSchedule(schedule, place);
  return { schedule, targets: selectMatrices(model, settings).map((spec) => describeTarget(model, spec)) };
}

interface LearnedEnvironment extends CompressionEnvironment {
  readonly training: TrainingMaterial;
}

/** One application of the method. */
class LearnedPruning {
  readonly #settings: LearnedPruningSettings;
  readonly #schedule: PruningSchedule;
  readonly #environment: LearnedEnvironment;
  readonly #context: OperationContext;
  readonly #seed: number;

  constructor(settings: LearnedPruningSettings, schedule: PruningSchedule, environment: LearnedEnvironment, context: OperationContext) {
    this.#settings = settings;
    this.#schedule = schedule;
    this.#environment = environment;
    this.#context = context;
    this.#seed = settings.seed ?? environment.seed ?? 0;
  }

  async apply(model: Model, targets: readonly Target[]): Promise<MethodResult> {
    const { model: made, note } = await trainOrRecall(this.#environment, resultKey, model, async () => {
      const masks = new MaskSet(targets.flatMap(maskedSlots));
      const before = await this.#loss(model);
      const trained = await this.#train(model, targets, masks);
      const parameters = [...trained.model.parameters.values()];
      const sparse = targets.map((target) => sparseParameter(trained.model, target, masks));
      const pruned = replaceParameters(trained.model, sparse);
      const after = await this.#loss(pruned);
      const { zeros, weights } = masks.counts();
      const { note: trainedNote } = trainedStep(trained, () => false);
      const share = ((100 * zeros) / weights).toFixed(2);
      return {
        parameters: parameters.map((parameter) => pruned.parameters.get(parameter.path) ?? parameter),
        note: `${trainedNote}; ${share} % zeros; loss on training text ${before.toFixed(4)} as given and ${after.toFixed(4)} pruned`,
      };
    });
    const layers = targets.map((target) => prunedLayer(model, made, target));
    return { model: made, report: { ...methodReport('prune', layers), note } };
  }

  async #train(model: Model, targets: readonly Target[], masks: MaskSet): Promise<TrainResult> {
    const { method, training, threshold = defaults.threshold, penalty = defaults.penalty } = this.#settings;
    const { learningRate = taskOf(model.config).kind === 'classify' ? defaults.classifierRate : defaults.learningRate } = training;
    const settings = { ...training, steps: this.#schedule.steps, learningRate, seed: training.seed ?? this.#seed };
    const factor = (this.#settings.scoreLearningRate ?? defaults.scoreLearningRate) / learningRate;
    const request = { model, settings, place: `${place}.training` };
    if (method === 'softMovement') {
      const scheme = softMovementScheme(masks, { schedule: this.#schedule, threshold, penalty }, factor);
      const trained = await this.#environment.training.train({ ...request, scheme }, this.#context);
      const limit = scoreLimit(threshold);
      masks.set(({ stored, former, size }) => {
        const scores = trained.schemeTensors.get(scoreName(stored))?.data ?? new Float32Array(size);
        return Uint8Array.from(scores, (score, index) => (score > limit && former?.[index] !== 0 ? 1 : 0));
      });
      return trained;
    }
    const { sparsity = 0, scope = 'layer' } = this.#settings;
    const options = { schedule: this.#schedule, sparsity, scope };
    const chosen = method === 'movement' ? movementTraining(masks, options, factor) : gradualTraining(masks, options);
    return await this.#environment.training.train(
      { ...request, scheme: chosen.scheme, afterStep: (step, current) => this.#choose(chosen, step, () => weightsOf(current(), targets)) },
      this.#context,
    );
  }

  async #choose({ afterStep }: ChosenTraining, step: number, weights: Parameters<ChosenTraining['afterStep']>[1]): Promise<void> {
    const choosing = afterStep(step, weights);
    if (choosing !== undefined) await runCooperatively(choosing, this.#context.signal);
  }

  /** Cross-entropy on some of the training text. */
  async #loss(model: Model): Promise<number> {
    const { engine, training } = this.#environment;
    const request = { model, corpus: training.corpus, training: this.#settings.training, seed: this.#seed };
    return (await trainingLoss(request, engine, this.#context)).get('loss') ?? Number.NaN;
  }
}

function maskedSlots({ parameter, slots }: Target): MaskedSlot[] {
  return slots.map(({ name, size, whole }) => {
    const mask = parameter.tensors[sparsePieces(name).mask];
    const former = keptCount(parameter, name) === undefined || mask === undefined ? undefined : maskFlags(mask, size);
    return { stored: storedName(parameter, name), shape: whole().shape, size, former };
  });
}

/** The numbers of the chosen matrices of a model, in the order in which they are stored. */
function weightsOf(model: Model, targets: readonly Target[]): (slot: MaskedSlot) => Float32Array {
  const places = new Map(
    targets.flatMap(({ spec, parameter, slots }) => slots.map(({ name }) => [storedName(parameter, name), { spec, name }] as const)),
  );
  return ({ stored }) => {
    const found = places.get(stored);
    invariant(found !== undefined, `${stored} is chosen`);
    return castTensor(slotOnHost(found.spec, parameterOf(model, found.spec.path), found.name), 'float32').data;
  };
}

function sparseParameter(model: Model, { spec, slots }: Target, masks: MaskSet): Parameter {
  let parameter = parameterOf(model, spec.path);
  for (const { name } of slots) {
    const flags = masks.flags(storedName(parameter, name));
    if (flags.includes(0)) parameter = withSlot(parameter, name, sparseSlot(name, slotOnHost(spec, parameter, name), flags));
  }
  return parameter;
}

/** What became zero of one parameter. */
function prunedLayer(before: Model, after: Model, { spec: { path }, slots }: Target): LayerReport {
  const made = parameterOf(after, path);
  const kept = slots.reduce((sum, { name, size }) => sum + (keptCount(made, name) ?? size), 0);
  const zeros = 1 - kept / slots.reduce((sum, { size }) => sum + size, 0);
  return changedLayer(before, after, path, `${(100 * zeros).toFixed(1)} % zeros`);
}
