// Quantization-aware training as a step of recipes: trains with rounded weights, then stores them in the codes that it trained with.
import { AppError, type OperationContext } from '#base';
import { type Model, type Parameter, type ParameterSpec, replaceParameters } from '#models';
import { teachersNamed } from '#teaching';
import { castTensor, type HostTensor, isFloat } from '#tensor';
import type { TrainResult } from '#train';
import { changedLayer, parameterOf } from '../changed-layer.ts';
import { type CompressionEnvironment, type Method, methodReport, type TrainingMaterial } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import { trainedStep, trainOrRecall } from '../train-or-recall.ts';
import { trainingLoss } from '../training-loss.ts';
import { initialInputs } from './initial-inputs.ts';
import { packCodedModel } from './pack.ts';
import { byParameter, planCodes, type QatPlan } from './plan.ts';
import { type InitialInput, qatScheme } from './scheme.ts';
import { type QatSettings, qatSettings } from './settings.ts';
import { splitParameter } from './split.ts';

/** Of a training without a number of steps. */
const defaultSteps = 300;
const place = 'qat.training';
/** Keys under which trained models are remembered. */
const keys = { ternary: 'ternary', trained: 'trained' } as const;

/**
 * Trains with weights, and where asked layer inputs, as few bits hold them, and stores the codes.
 *
 * @see README.md beside this file, and the sources at `codeSlot`, `tokenInput`, `learnedInput` and `splitGroup`
 */
export const qat: Method<QatSettings> = {
  name: 'qat',
  settings: qatSettings,
  needsCalibration: () => false,
  models: ({ training }) => teachersNamed(training),
  training: ({ training }) => training,
  check(model, settings) {
    checkSchedule(settings);
    selectMatrices(model, settings);
  },
  async apply(model, settings, environment, context) {
    const { training } = environment;
    if (training === undefined) throw new AppError('not_enough_samples', 'qat: trains on data and got none. Give data.');
    checkSchedule(settings);
    const specs = selectMatrices(model, settings);
    const run = new QatRun(settings, { ...environment, training }, context);
    const { model: made, note, paths } = await run.apply(model, specs);
    const layers = paths.map((path) => changedLayer(model, made, path, labelOf(settings)));
    return { model: made, report: { ...methodReport('qat', layers), note } };
  },
};

/** Whether ternary weights are trained first. */
function isSplit({ scheme, split }: QatSettings): boolean {
  return scheme === 'binary' && split;
}

/** @throws AppError `schedule_misses_target` where rounding would not be whole at the end */
function checkSchedule(settings: QatSettings): void {
  const { lambdaSteps, ternarySteps, training } = settings;
  const steps = (isSplit(settings) ? ternarySteps : undefined) ?? training.steps ?? defaultSteps;
  if (lambdaSteps <= steps) return;
  throw new AppError(
    'schedule_misses_target',
    `qat.lambdaSteps: rounding is whole after ${lambdaSteps} steps, and the training ends after ${steps}. Lower it, or train for more steps (qat.training.steps).`,
    { details: { field: 'qat.lambdaSteps', steps } },
  );
}

interface QatEnvironment extends CompressionEnvironment {
  readonly training: TrainingMaterial;
}

interface Made {
  readonly model: Model;
  readonly note: string;
  /** Of the parameters that are in codes now. */
  readonly paths: readonly string[];
}

/** One application of the method. */
class QatRun {
  readonly #settings: QatSettings;
  readonly #environment: QatEnvironment;
  readonly #context: OperationContext;
  readonly #seed: number;

  constructor(settings: QatSettings, environment: QatEnvironment, context: OperationContext) {
    this.#settings = settings;
    this.#environment = environment;
    this.#context = context;
    this.#seed = settings.seed ?? environment.seed ?? 0;
  }

  async apply(model: Model, specs: readonly ParameterSpec[]): Promise<Made> {
    const splits = isSplit(this.#settings);
    const paths = specs.map(({ path }) => path);
    const wide = widened(model, paths);
    const begin = splits ? await this.#splitTernary(model, wide, specs) : { model: wide, note: '' };
    const plan = planCodes(begin.model, specs, this.#settings, model);
    if (plan.slots.length === 0)
      throw new AppError(
        'unsupported',
        `qat: ${labelOf(this.#settings)} would not make any of the chosen matrices smaller. Choose others.`,
      );
    const { model: made, note } = await trainOrRecall(this.#environment, keys.trained, begin.model, async () => {
      const before = await this.#losses(model, wide, specs);
      const inputs = await this.#initialInputs(begin.model, plan);
      // Split weights begin as rounded as the ternary ones ended.
      const lambdaSteps = splits ? 0 : this.#settings.lambdaSteps;
      const trained = await this.#train(begin.model, plan, inputs, lambdaSteps, this.#settings.training, keys.trained);
      const { engine } = this.#environment;
      const packed = await packCodedModel(engine, trained.model, plan, { tensors: trained.schemeTensors, inputs });
      const after = await this.#loss(replaceParameters(trained.model, packed));
      const inCodes = new Set(packed.map(({ path }) => path));
      const others = [...trained.model.parameters.values()]
        .filter(({ path }) => !inCodes.has(path))
        .map((parameter) => stored(parameter, model));
      const { note: trainedNote } = trainedStep(trained, () => false);
      return { parameters: [...packed, ...others], note: `${trainedNote}; ${before} and ${after.toFixed(4)} after training` };
    });
    return { model: made, note: [begin.note, note].filter((part) => part !== '').join('; '), paths: [...byParameter(plan.slots).keys()] };
  }

  /** Trains ternary weights and splits each into two binary ones. */
  async #splitTernary(
    given: Model,
    model: Model,
    specs: readonly ParameterSpec[],
  ): Promise<{ readonly model: Model; readonly note: string }> {
    for (const { path } of specs) requireDense(parameterOf(model, path));
    const plan = planCodes(model, specs, { ...this.#settings, scheme: 'ternary' }, given);
    const { model: ternary, note } = await trainOrRecall(this.#environment, keys.ternary, model, async () => {
      const { ternarySteps, training, lambdaSteps } = this.#settings;
      const settings = { ...training, ...(ternarySteps === undefined ? {} : { steps: ternarySteps }) };
      const trained = await this.#train(model, plan, new Map(), lambdaSteps, settings, keys.ternary);
      return trainedStep(trained, () => true);
    });
    const specOf = new Map(specs.map((spec) => [spec.path, spec]));
    const split = plan.slots.flatMap(({ path, groups }) => {
      const spec = specOf.get(path);
      return spec === undefined ? [] : [splitParameter(parameterOf(ternary, path), spec, groups)];
    });
    return { model: replaceParameters(ternary, split), note: `ternary: ${note}` };
  }

  #train(
    model: Model,
    plan: QatPlan,
    inputs: ReadonlyMap<string, InitialInput>,
    lambdaSteps: number,
    training: QatSettings['training'],
    part: string,
  ): Promise<TrainResult> {
    const settings = { ...training, steps: training.steps ?? defaultSteps, seed: training.seed ?? this.#seed };
    const scheme = qatScheme(model, plan, { lambdaSteps, inputs });
    return this.#environment.training.train({ model, settings, place, scheme, part }, this.#context);
  }

  async #initialInputs(model: Model, plan: QatPlan): Promise<ReadonlyMap<string, InitialInput>> {
    const owners = [...plan.inputs.values()].filter(([rounds]) => rounds === 'learned').map(([, owner]) => owner);
    if (owners.length === 0) return new Map();
    const { engine, training } = this.#environment;
    const request = { model, corpus: training.corpus, training: this.#settings.training, seed: this.#seed };
    return await initialInputs(request, new Map([...plan.inputs].map(([path, [, owner]]) => [path, owner])), engine, this.#context);
  }

  /** As it was given, and rounded without training, for people. */
  async #losses(model: Model, wide: Model, specs: readonly ParameterSpec[]): Promise<string> {
    const plan = planCodes(wide, specs, { ...this.#settings, stepSize: 'range' }, model);
    const inputs = await this.#initialInputs(wide, plan);
    const rounded = replaceParameters(wide, await packCodedModel(this.#environment.engine, wide, plan, { tensors: new Map(), inputs }));
    const [whole, without] = [await this.#loss(model), await this.#loss(rounded)];
    return `loss on training text ${whole.toFixed(4)} as given, ${without.toFixed(4)} rounded without training`;
  }

  async #loss(model: Model): Promise<number> {
    const { engine, training } = this.#environment;
    const request = { model, corpus: training.corpus, training: this.#settings.training, seed: this.#seed };
    return (await trainingLoss(request, engine, this.#context)).get('loss') ?? Number.NaN;
  }
}

function requireDense({ path, kind, settings }: Parameter): void {
  if (kind === 'dense' && Object.keys(settings).length === 0) return;
  throw new AppError(
    'unsupported',
    `qat: ${path} is stored as ${kind === 'dense' ? 'a sparse matrix' : kind}, and only whole dense matrices are split into binary ones. Exclude it, or set split to false.`,
    { details: { path } },
  );
}

/** Chosen matrices in float32, so that what training leaves of them is what is put into codes. */
function widened(model: Model, paths: readonly string[]): Model {
  return replaceParameters(
    model,
    paths.map((path) => {
      const parameter = parameterOf(model, path);
      const tensors = Object.entries(parameter.tensors).map(([slot, tensor]): readonly [string, HostTensor] => [
        slot,
        isFloat(tensor.dtype) ? castTensor(tensor, 'float32') : tensor,
      ]);
      return { ...parameter, tensors: Object.fromEntries(tensors) };
    }),
  );
}

/** In the types that the parameter had before: chosen matrices that found no codes are as wide as they were. */
function stored(parameter: Parameter, before: Model): Parameter {
  const known = before.parameters.get(parameter.path);
  const tensors = Object.entries(parameter.tensors).map(([slot, tensor]): readonly [string, HostTensor] => {
    const dtype = known?.tensors[slot]?.dtype;
    return [slot, dtype === undefined || dtype === tensor.dtype ? tensor : castTensor(tensor, dtype)];
  });
  return { ...parameter, tensors: Object.fromEntries(tensors) };
}

/** What the numbers are held in, for people. */
function labelOf({ scheme, bits, activations, stepSize }: QatSettings): string {
  const weights = scheme === 'integer' ? `${bits} bits` : scheme;
  return [
    `trained ${weights}`,
    ...(stepSize === 'learned' ? ['learned steps'] : []),
    ...(activations === 'none' ? [] : [`inputs by ${activations}`]),
  ].join(', ');
}
