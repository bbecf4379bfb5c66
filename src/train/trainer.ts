// The training step on a device: parameters, gradients and optimizer state stay there; batches go in and scalars come out.
import { AppError, at, chosen, faultPoint, invariant } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { learningRateAt, type Schedule } from '#graph';
import { allInputs, borrowModel, declarations, inputMask, keptValues, type Model, type Parameter } from '#models';
import { castTensor, type DType, type HostTensor } from '#tensor';
import { type TrainingBatch, tensorsOf } from './batch-source.ts';
import { maskName } from './gradient-graph.ts';
import { type BatchCase, GradientPrograms } from './gradient-programs.ts';
import { LossScaling } from './loss-scaling.ts';
import type { Objective } from './objective.ts';
import { checkProducts } from './products.ts';
import { type SchemeStep, schemeName, type TrainingScheme } from './scheme.ts';
import { makeOptimizer, makeSchedule, type TrainSettings } from './settings.ts';
import { type GroupTensor, TensorGroup, takeScalar } from './tensor-group.ts';
import { type LayoutOptions, layoutOf } from './trainer-layout.ts';

/** What one step reports. */
export interface StepReport {
  readonly step: number;
  /** The mean over the micro-batches of every scalar of the objective, `loss` first. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** A gradient was not finite under the loss scale: no weight was changed, and figures that are not finite are left out. */
  readonly isSkipped: boolean;
}

interface TrainerParts {
  readonly template: ModelTemplate;
  readonly objective: Objective;
  readonly scheme: TrainingScheme | undefined;
  /** Loss and gradients of a micro-batch. */
  readonly programs: GradientPrograms;
  readonly metricNames: readonly string[];
  /** All of the student's tensors on the device, trained or not, by stored name. */
  readonly parameters: Record<string, DeviceBuffer>;
  /** `mask:NAME` of the sparse ones that train. */
  readonly masks: Readonly<Record<string, DeviceBuffer>>;
  /** Tensors of the scheme, by their names in graphs. */
  readonly ofScheme: Readonly<Record<string, DeviceBuffer>>;
  /** What trains, by learning rate. */
  readonly groups: readonly TensorGroup[];
  readonly trained: readonly string[];
  /** Of products in float16. */
  readonly scaling: LossScaling | undefined;
}

/**
 * One training run on one engine.
 *
 * Invariant: parameters and state change only in the update, which is never cancelled midway; so after any failed
 * or cancelled step the trainer stands where it stood before that step. A step that is skipped changes the loss scale alone.
 */
export class Trainer {
  readonly #settings: TrainSettings;
  readonly #schedule: Schedule;
  readonly #parts: TrainerParts;
  readonly #gradients: Readonly<Record<string, DeviceBuffer>>;
  #step = 0;
  #isWhole = true;
  /** No other variant comes. */
  #isSettled = false;

  private constructor(settings: TrainSettings, parts: TrainerParts) {
    this.#settings = settings;
    this.#schedule = makeSchedule(settings);
    this.#parts = parts;
    this.#gradients = Object.assign({}, ...parts.groups.map(({ gradients }) => gradients)) as Record<string, DeviceBuffer>;
  }

  /**
   * Compiles the programs and uploads the student.
   *
   * @throws AppError `context_too_long` when the sequences are too long for it | `unsupported` when the engine has no fast products of the kind asked for
   */
  static async create(
    engine: Engine,
    model: Model,
    objective: Objective,
    settings: TrainSettings,
    { trains, scheme: wanted }: LayoutOptions = {},
  ): Promise<Trainer> {
    checkProducts(engine, settings.products);
    const layout = layoutOf(engine, model, objective, settings, { trains, scheme: wanted });
    const { scheme, trained, widest } = layout;
    const programs = new GradientPrograms(engine, declarations(model), objective, layout.sizes);

    const buffers: DeviceBuffer[] = [];
    const groups: TensorGroup[] = [];
    let scaling: LossScaling | undefined;
    const upload = (tensor: HostTensor): DeviceBuffer => {
      const buffer = engine.upload(tensor);
      buffers.push(buffer);
      return buffer;
    };
    try {
      const written = new Set(trained.map(({ input }) => input.name));
      // What does not train is read where it is: a frozen model costs no second copy.
      const parameters = borrowModel(engine, model, '', (name) => !written.has(name));
      buffers.push(...Object.values(parameters));
      const masks: Record<string, DeviceBuffer> = {};
      for (const { parameter, input } of trained) {
        const mask = inputMask(parameter, input);
        if (mask !== undefined) masks[maskName(input.name)] = upload(mask);
      }
      const ofScheme = Object.fromEntries((scheme?.tensors ?? []).map(({ name, initial }) => [schemeName(name), upload(initial)] as const));
      const byRate = new Map<number, GroupTensor[]>();
      const add = (factor: number, tensor: GroupTensor): void => {
        byRate.set(factor, [...(byRate.get(factor) ?? []), tensor]);
      };
      for (const { name, shape } of trained.map(({ input }) => input))
        add(1, { name, shape, decays: shape.length > 1, buffer: bufferOf(parameters, name) });
      for (const { name: short, learningRateFactor = 1, ascends = false, decays = false, initial } of layout.schemeTensors) {
        const name = schemeName(short);
        add(ascends ? -learningRateFactor : learningRateFactor, { name, shape: initial.shape, decays, buffer: bufferOf(ofScheme, name) });
      }
      const optimizer = makeOptimizer(settings.optimizer);
      const clipNorm = settings.clipNorm === 0 ? undefined : settings.clipNorm;
      for (const [learningRateFactor, tensors] of byRate)
        groups.push(await TensorGroup.create(engine, tensors, { optimizer, clipNorm, learningRateFactor }));
      scaling = layout.sizes.lossScaled === true ? await LossScaling.create(engine) : undefined;
      return new Trainer(settings, {
        template: templateOf(model, new Set(trained.map(({ input }) => input.name))),
        objective,
        scheme,
        programs,
        metricNames: at(widest, 0).metricNames,
        parameters,
        masks,
        ofScheme,
        groups,
        trained: trained.map(({ input }) => input.name),
        scaling,
      });
    } catch (error) {
      await scaling?.release();
      await Promise.all(groups.map((group) => group.release()));
      for (const buffer of buffers) buffer.release();
      throw error;
    }
  }

  /** Whether all that trains is of one step: not after an update that failed midway, because the device did. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** The student's parameters on the device by stored name, for reading between two steps: the next one changes them in place. */
  get parameters(): Readonly<Record<string, DeviceBuffer>> {
    return this.#parts.parameters;
  }

  /**
   * One optimizer step over as many micro-batches as the settings say.
   *
   * @throws AppError `diverged` when the loss or a gradient is not finite: nothing was changed then; `cancelled`
   */
  async run(batches: readonly TrainingBatch[], signal: AbortSignal): Promise<StepReport> {
    invariant(batches.length === this.#settings.gradientAccumulation, 'a step is given one batch a micro-batch');
    const { metricNames, scheme, groups, scaling } = this.#parts;
    const step = this.#step + 1;
    const given = scheme?.step?.(step) ?? { inputs: {} };
    if (given.isLast === true && !this.#isSettled) await this.#settle(at(batches, 0), given);
    const made: Record<string, number>[] = [];
    for (const [index, batch] of batches.entries()) made.push(await this.#accumulate(batch, given, index > 0, signal));
    const sums = meansOf(metricNames, made);
    if (scaling === undefined && !Number.isFinite(sums['loss'])) throw diverged(step, `the loss is ${sums['loss']}`);
    const learningRate = learningRateAt(this.#schedule, step);
    const lossScale = scaling?.scale ?? 1;
    const gradientScale = 1 / (batches.length * lossScale);
    const norms: number[] = [];
    for (const group of groups) norms.push(await group.norm(gradientScale));
    const gradientNorm = norms.length === 1 ? at(norms, 0) : Math.hypot(...norms);
    const isGood = Number.isFinite(gradientNorm) && Number.isFinite(sums['loss']);
    if (!isGood && lossScale <= 1) throw diverged(step, `the gradient's norm is ${gradientNorm}`, scaling !== undefined);
    if (!isGood) {
      await scaling?.follow(Number.NaN);
      this.#step = step;
      return { step, metrics: { ...finite(sums), ...scaleOf(scaling) }, gradientNorm: 0, learningRate, isSkipped: true };
    }
    // What the optimizer corrects for by the number of its steps knows of those alone that it took.
    const taken = step - (scaling?.skipped ?? 0);
    this.#isWhole = false;
    for (const [index, group] of groups.entries()) {
      await group.update(taken, learningRate, { gradientNorm: at(norms, index), gradientScale });
      await faultPoint('weight update');
    }
    await scaling?.follow(gradientNorm);
    this.#isWhole = true;
    this.#step = step;
    scheme?.observe?.(step, sums, (name) => this.#schemeTensor(name));
    return { step, metrics: { ...sums, ...scaleOf(scaling) }, gradientNorm, learningRate, isSkipped: false };
  }

  async #accumulate(batch: TrainingBatch, given: SchemeStep, adds: boolean, signal: AbortSignal): Promise<Record<string, number>> {
    const { programs, metricNames, groups } = this.#parts;
    const program = await programs.program({ ...lengthsOf(batch), variant: given.variant }, adds);
    const available = { ...(await this.#available(batch, given, signal)), ...(adds ? this.#gradients : {}) };
    const written = new Set(program.outputNames);
    const outputs = Object.fromEntries(Object.entries(this.#gradients).filter(([name]) => written.has(name)));
    const results = await program.run(chosen(available, program.inputNames), { signal, outputs });
    for (const group of groups) group.wrote(written, adds);
    return Object.fromEntries(metricNames.map((name) => [name, takeScalar(results, name)]));
  }

  /** All that a program may read. */
  async #available(batch: TrainingBatch, given: SchemeStep, signal: AbortSignal): Promise<Record<string, DeviceBuffer | HostTensor>> {
    const { parameters, masks, ofScheme, objective, scheme, scaling } = this.#parts;
    const fed = { ...given.inputs, ...(await scheme?.batchInputs?.(batch, parameters, signal)) };
    const inputs = Object.fromEntries(Object.entries(fed).map(([name, value]) => [schemeName(name), value]));
    return {
      ...parameters,
      ...masks,
      ...ofScheme,
      ...scaling?.state,
      ...objective.inputs,
      ...scheme?.buffers,
      ...tensorsOf(batch),
      ...inputs,
    };
  }

  /** Gives back what only other variants need. */
  async #settle(batch: TrainingBatch, { variant }: SchemeStep): Promise<void> {
    const { programs, parameters, trained } = this.#parts;
    await programs.keepOnly(variant);
    const { inputNames } = await programs.program({ ...lengthsOf(batch), variant }, false);
    const needed = new Set([...inputNames, ...trained]);
    for (const [name, buffer] of Object.entries(parameters)) {
      if (needed.has(name)) continue;
      delete parameters[name];
      buffer.release();
    }
    this.#isSettled = true;
  }

  /**
   * The means of the metrics over batches, without training on them; the network is that of the newest step.
   *
   * @param objective - in place of that of the training; the same at every call
   * @throws AppError `cancelled`
   */
  async evaluate(batches: readonly TrainingBatch[], signal: AbortSignal, objective?: Objective): Promise<Readonly<Record<string, number>>> {
    const { programs, scheme } = this.#parts;
    const given = scheme?.step?.(Math.max(1, this.#step)) ?? { inputs: {} };
    const made: Record<string, number>[] = [];
    for (const batch of batches) {
      const program = await programs.lossProgram({ ...lengthsOf(batch), variant: given.variant }, objective);
      const available = await this.#available(batch, given, signal);
      const results = await program.run(chosen(available, program.inputNames), { signal });
      made.push(Object.fromEntries(program.outputNames.map((name) => [name, takeScalar(results, name)])));
    }
    return meansOf(Object.keys(made[0] ?? {}), made);
  }

  #schemeTensor(name: string): HostTensor<'float32'> {
    return castTensor(bufferOf(this.#parts.ofScheme, schemeName(name)).read(), 'float32');
  }

  /** The scheme's tensors as they are now. */
  schemeTensors(): Map<string, HostTensor<'float32'>> {
    return new Map((this.#parts.scheme?.tensors ?? []).map(({ name }) => [name, this.#schemeTensor(name)]));
  }

  /** What the scheme remembers besides its tensors. */
  schemeState(): unknown {
    return this.#parts.scheme?.save?.();
  }

  /** The tensors that train, of the student and of the scheme, on the host. */
  trainedTensors(): Map<string, HostTensor> {
    const { parameters, trained, ofScheme } = this.#parts;
    return new Map(Object.entries({ ...chosen(parameters, trained), ...ofScheme }).map(([name, buffer]) => [name, buffer.read()] as const));
  }

  /** Puts back what `trainedTensors` read. */
  setTrainedTensors(tensors: ReadonlyMap<string, HostTensor>): void {
    const held = this.#held();
    for (const [name, tensor] of tensors) bufferOf(held, name).write(tensor);
  }

  /** The trained tensors and the optimizer's state, on the host. */
  snapshot(): Map<string, HostTensor> {
    return new Map(Object.entries(this.#held()).map(([name, buffer]) => [name, buffer.read()] as const));
  }

  /** Continues from a snapshot. @throws AppError `resume_mismatch` when it is of another model or optimizer */
  restore(step: number, tensors: ReadonlyMap<string, HostTensor>, schemeState?: unknown): void {
    const held = this.#held();
    for (const name of tensors.keys())
      if (held[name] === undefined)
        throw new AppError('resume_mismatch', `checkpoint: tensor "${name}" is unknown to this model and optimizer.`);
    for (const [name, buffer] of Object.entries(held)) {
      const tensor = tensors.get(name);
      if (tensor === undefined || tensor.shape.join() !== buffer.shape.join())
        throw new AppError('resume_mismatch', `checkpoint: tensor "${name}" ${tensor === undefined ? 'is missing' : 'has another shape'}.`);
      buffer.write(tensor);
    }
    if (schemeState !== undefined) this.#parts.scheme?.restore?.(schemeState);
    this.#step = step;
  }

  /** What changes from step to step. */
  #held(): Record<string, DeviceBuffer> {
    const { parameters, trained, ofScheme, groups, scaling } = this.#parts;
    const states = groups.map(({ state }) => state);
    return Object.assign(chosen(parameters, trained), ofScheme, ...states, scaling?.state) as Record<string, DeviceBuffer>;
  }

  /**
   * The student as it is now. Every tensor keeps the element type that it came with, and a sparse one its mask, so that training does not
   * change stored bytes.
   */
  model(): Model {
    const { template, parameters: onDevice } = this.#parts;
    const parameters = template.parameters.map(({ parameter, tensors }): Parameter => {
      const held = tensors.map(([key, kept]) => {
        if ('data' in kept) return [key, kept] as const;
        const whole = bufferOf(onDevice, kept.name).read();
        return [key, castTensor(kept.mask === undefined ? whole : keptValues(whole, kept.mask), kept.dtype)] as const;
      });
      return { ...parameter, tensors: Object.fromEntries(held) };
    });
    return { config: template.config, parameters: new Map(parameters.map((parameter) => [parameter.path, parameter])) };
  }

  /** Frees everything on the device. Inputs of the objective and buffers of the scheme belong to their makers. */
  async dispose(): Promise<void> {
    const { programs, groups, parameters, masks, ofScheme, scaling } = this.#parts;
    await Promise.all([programs.release(), scaling?.release(), ...groups.map((group) => group.release())]);
    for (const held of [parameters, masks, ofScheme]) for (const buffer of Object.values(held)) buffer.release();
  }
}

function bufferOf(buffers: Readonly<Record<string, DeviceBuffer>>, name: string): DeviceBuffer {
  const buffer = buffers[name];
  invariant(buffer !== undefined, `${name} is on the device`);
  return buffer;
}

function meansOf(names: readonly string[], made: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const mean = (name: string): number => made.reduce((sum, metrics) => sum + (metrics[name] ?? Number.NaN) / made.length, 0);
  return Object.fromEntries(names.map((name) => [name, mean(name)]));
}

function lengthsOf(batch: TrainingBatch): BatchCase {
  if ('source' in batch) return { length: at(batch.labels.shape, 1), sourceLength: at(batch.source.shape, 1) };
  return { length: at(batch.tokens.shape, 1) };
}

interface ModelTemplate {
  readonly config: Model['config'];
  readonly parameters: readonly {
    readonly parameter: Omit<Parameter, 'tensors'>;
    /** Stored tensors by key: those that train as what `Trained` says, the others themselves. */
    readonly tensors: readonly (readonly [string, HostTensor | Trained])[];
  }[];
}

/** A tensor that is on the device alone. */
interface Trained {
  /** Of the graphs' input. */
  readonly name: string;
  /** As it is stored. */
  readonly dtype: DType;
  /** The bitmap of what is stored of it, where it is sparse. */
  readonly mask?: HostTensor;
}

function templateOf(model: Model, trained: ReadonlySet<string>): ModelTemplate {
  const inputs = allInputs(model).filter(({ input }) => trained.has(input.name));
  const byTensor = new Map(inputs.map(({ parameter, input }) => [`${parameter.path} ${input.stored}`, input]));
  return {
    config: model.config,
    parameters: [...model.parameters.values()].map(({ path, kind, settings, tensors }) => {
      const kept = Object.entries(tensors).map(([key, tensor]): readonly [string, HostTensor | Trained] => {
        const input = byTensor.get(`${path} ${key}`);
        if (input === undefined) return [key, tensor];
        const mask = input.mask === undefined ? undefined : tensors[input.mask];
        return [key, { name: input.name, dtype: tensor.dtype, ...(mask === undefined ? {} : { mask }) }];
      });
      return { parameter: { path, kind, settings }, tensors: kept };
    }),
  };
}

function diverged(step: number, what: string, isScaled = false): AppError {
  const remedy = isScaled ? 'Take bfloat16 or float32, or lower the learning rate' : 'Lower the learning rate or the clipping norm';
  return new AppError('diverged', `step ${step}: ${what}. ${remedy}.`, { details: { step } });
}

function scaleOf(scaling: LossScaling | undefined): { lossScale?: number } {
  return scaling === undefined ? {} : { lossScale: scaling.scale };
}

/** Only figures that can be shown. */
function finite(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}
