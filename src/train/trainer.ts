// The training step on a device: parameters, gradients and optimizer state stay there; batches go in and scalars come out.
import { AppError, at, chosen, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import {
  buildNormGraph,
  type Graph,
  gradientName,
  learningRateAt,
  type Optimizer,
  optimizeGraph,
  type Schedule,
  scalarInputName,
  stateName,
} from '#graph';
import { allInputs, declarations, inputMask, keptValues, type Model, type Parameter, uploadModel } from '#models';
import { castTensor, type DType, float32, type HostTensor, toNumbers } from '#tensor';
import type { TrainingBatch } from './batch-source.ts';
import { maskName } from './gradient-graph.ts';
import { type BatchLengths, GradientPrograms } from './gradient-programs.ts';
import type { Objective } from './objective.ts';
import { OptimizerStep } from './optimizer-step.ts';
import { makeOptimizer, makeSchedule, type TrainSettings } from './settings.ts';

/** What one step reports. */
export interface StepReport {
  readonly step: number;
  /** The mean over the micro-batches of every scalar of the objective, `loss` first. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

interface Programs {
  /** Loss and gradients of a micro-batch: one program a length of sequences, compiled when a batch of it comes. */
  readonly gradients: GradientPrograms;
  readonly norm: Program;
  readonly update: OptimizerStep;
}

/**
 * One training run on one engine.
 *
 * Invariant: parameters and state change only in the update, which is never cancelled midway; so after any failed
 * or cancelled step the trainer stands where it stood before that step.
 */
export class Trainer {
  /** What `model()` fills in: trained tensors are on the device alone, so that a run holds no second copy of them. */
  readonly #template: ModelTemplate;
  readonly #settings: TrainSettings;
  readonly #optimizer: Optimizer;
  readonly #schedule: Schedule;
  readonly #objective: Objective;
  readonly #programs: Programs;
  readonly #metricNames: readonly string[];
  /** All of the student's tensors on the device, trained or not, by stored name. */
  readonly #parameters: Readonly<Record<string, DeviceBuffer>>;
  /** `mask:NAME` of the sparse ones that train. */
  readonly #masks: Readonly<Record<string, DeviceBuffer>>;
  readonly #gradients: Readonly<Record<string, DeviceBuffer>>;
  readonly #state: Readonly<Record<string, DeviceBuffer>>;
  readonly #trained: readonly string[];
  #step = 0;

  private constructor(parts: {
    model: Model;
    settings: TrainSettings;
    optimizer: Optimizer;
    objective: Objective;
    programs: Programs;
    metricNames: readonly string[];
    parameters: Record<string, DeviceBuffer>;
    masks: Record<string, DeviceBuffer>;
    gradients: Record<string, DeviceBuffer>;
    state: Record<string, DeviceBuffer>;
    trained: readonly string[];
  }) {
    this.#template = templateOf(parts.model, new Set(parts.trained));
    this.#settings = parts.settings;
    this.#optimizer = parts.optimizer;
    this.#schedule = makeSchedule(parts.settings);
    this.#objective = parts.objective;
    this.#programs = parts.programs;
    this.#metricNames = parts.metricNames;
    this.#parameters = parts.parameters;
    this.#masks = parts.masks;
    this.#gradients = parts.gradients;
    this.#state = parts.state;
    this.#trained = parts.trained;
  }

  /** Compiles the programs and uploads the student. @throws AppError `context_too_long` when the sequences are too long for it */
  static async create(
    engine: Engine,
    model: Model,
    objective: Objective,
    settings: TrainSettings,
    trains?: (path: string) => boolean,
  ): Promise<Trainer> {
    const optimizer = makeOptimizer(settings.optimizer);
    const inputs = allInputs(model).filter(({ parameter, input }) => input.trains && (trains?.(parameter.path) ?? true));
    const sparse = inputs.filter(({ input }) => input.mask !== undefined);
    const { batchSize: batch, sequenceLength: length, sourceLength } = settings;
    const sizes = {
      batch,
      trained: inputs.map(({ input }) => input.name),
      masked: new Set(sparse.map(({ input }) => input.name)),
    };
    const gradientPrograms = new GradientPrograms(engine, declarations(model), objective, sizes);
    const { graph, metricNames } = gradientPrograms.graph({ length, sourceLength }, false);
    // Only tensors that the graph reads have gradients.
    const made = new Set(graph.outputs.map(({ name }) => name));
    const trained = sizes.trained.filter((name) => made.has(gradientName(name)));
    const shapes = new Map(inputs.map(({ input }) => [input.name, input.shape] as const));
    const updated = trained.map((name) => {
      const shape = shapes.get(name);
      invariant(shape !== undefined, `trained tensor ${name} is stored`);
      return { name, shape, decays: shape.length > 1 };
    });
    const clipNorm = settings.clipNorm === 0 ? undefined : settings.clipNorm;

    const programs: { release(): Promise<void> }[] = [];
    const buffers: DeviceBuffer[] = [];
    const compile = async (source: Graph, name: string): Promise<Program> => {
      const program = await engine.compile(source, { name });
      programs.push(program);
      return program;
    };
    const allocate = (name: string, shape: readonly number[]): readonly [string, DeviceBuffer] => {
      const buffer = engine.allocate({ dtype: 'float32', shape });
      buffers.push(buffer);
      return [name, buffer];
    };
    try {
      const update = await OptimizerStep.create(engine, updated, optimizer, clipNorm);
      programs.push(update);
      const parameters = uploadModel(engine, model);
      buffers.push(...Object.values(parameters));
      const masks: Record<string, DeviceBuffer> = {};
      for (const { parameter, input } of sparse) {
        const mask = made.has(gradientName(input.name)) ? inputMask(parameter, input) : undefined;
        if (mask === undefined) continue;
        const buffer = engine.upload(mask);
        buffers.push(buffer);
        masks[maskName(input.name)] = buffer;
      }
      return new Trainer({
        model,
        settings,
        optimizer,
        objective,
        metricNames,
        trained,
        parameters,
        masks,
        programs: {
          gradients: gradientPrograms,
          norm: await compile(optimizeGraph(buildNormGraph(updated)), 'norm'),
          update,
        },
        gradients: Object.fromEntries(updated.map(({ name, shape }) => allocate(gradientName(name), shape))),
        state: Object.fromEntries(
          updated.flatMap(({ name, shape }) => optimizer.stateSlots.map((slot) => allocate(stateName(slot, name), shape))),
        ),
      });
    } catch (error) {
      await Promise.all(programs.map((program) => program.release()));
      for (const buffer of buffers) buffer.release();
      throw error;
    }
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /**
   * One optimizer step over as many micro-batches as the settings say.
   *
   * @throws AppError `diverged` when the loss or a gradient is not finite: nothing was changed then; `cancelled`
   */
  async run(batches: readonly TrainingBatch[], signal: AbortSignal): Promise<StepReport> {
    invariant(batches.length === this.#settings.gradientAccumulation, 'a step is given one batch a micro-batch');
    const sums: Record<string, number> = Object.fromEntries(this.#metricNames.map((name) => [name, 0]));
    for (const [index, batch] of batches.entries()) {
      const metrics = await this.#accumulate(batch, index > 0, signal);
      for (const name of this.#metricNames) sums[name] = (sums[name] ?? 0) + (metrics[name] ?? Number.NaN) / batches.length;
    }
    const step = this.#step + 1;
    if (!Number.isFinite(sums['loss'])) throw diverged(step, `the loss is ${sums['loss']}`);
    const learningRate = learningRateAt(this.#schedule, step);
    const gradientNorm = await this.#norm(batches.length);
    if (!Number.isFinite(gradientNorm)) throw diverged(step, `the gradient's norm is ${gradientNorm}`);
    await this.#update(step, learningRate, { gradientNorm, gradientScale: 1 / batches.length });
    this.#step = step;
    return { step, metrics: sums, gradientNorm, learningRate };
  }

  async #accumulate(batch: TrainingBatch, adds: boolean, signal: AbortSignal): Promise<Record<string, number>> {
    const program = await this.#programs.gradients.program(lengthsOf(batch), adds);
    const available: Record<string, DeviceBuffer | HostTensor> = {
      ...this.#parameters,
      ...this.#masks,
      ...this.#objective.inputs,
      ...(adds ? this.#gradients : {}),
      ...batch,
    };
    const results = await program.run(chosen(available, program.inputNames), { signal, outputs: this.#gradients });
    return Object.fromEntries(this.#metricNames.map((name) => [name, takeScalar(results, name)]));
  }

  async #norm(microBatches: number): Promise<number> {
    const { norm } = this.#programs;
    const gradientScale = float32([], [1 / microBatches]);
    const results = await norm.run({ ...this.#gradients, [scalarInputName('gradientScale')]: gradientScale });
    return takeScalar(results, 'gradientNorm');
  }

  async #update(step: number, learningRate: number, ofGradients: { gradientNorm: number; gradientScale: number }): Promise<void> {
    const scalars = { ...this.#optimizer.scalars(step, learningRate), ...ofGradients };
    const buffers = { ...chosen(this.#parameters, this.#trained), ...this.#gradients, ...this.#state };
    await this.#programs.update.run(buffers, scalars);
  }

  /** The trained tensors and the optimizer's state, on the host. */
  snapshot(): Map<string, HostTensor> {
    const held: Record<string, DeviceBuffer> = { ...chosen(this.#parameters, this.#trained), ...this.#state };
    return new Map(Object.entries(held).map(([name, buffer]) => [name, buffer.read()] as const));
  }

  /** Continues from a snapshot. @throws AppError `resume_mismatch` when it is of another model or optimizer */
  restore(step: number, tensors: ReadonlyMap<string, HostTensor>): void {
    const held: Record<string, DeviceBuffer> = { ...chosen(this.#parameters, this.#trained), ...this.#state };
    for (const name of tensors.keys())
      if (held[name] === undefined)
        throw new AppError('resume_mismatch', `checkpoint: tensor "${name}" is unknown to this model and optimizer.`);
    for (const [name, buffer] of Object.entries(held)) {
      const tensor = tensors.get(name);
      if (tensor === undefined || tensor.shape.join() !== buffer.shape.join())
        throw new AppError('resume_mismatch', `checkpoint: tensor "${name}" ${tensor === undefined ? 'is missing' : 'has another shape'}.`);
      buffer.write(tensor);
    }
    this.#step = step;
  }

  /**
   * The student as it is now. Every tensor keeps the element type that it came with, and a sparse one its mask, so that training does not
   * change stored bytes.
   */
  model(): Model {
    const parameters = this.#template.parameters.map(({ parameter, tensors }): Parameter => {
      const held = tensors.map(([key, kept]) => {
        if ('data' in kept) return [key, kept] as const;
        const buffer = this.#parameters[kept.name];
        invariant(buffer !== undefined, `${kept.name} is on the device`);
        const whole = buffer.read();
        return [key, castTensor(kept.mask === undefined ? whole : keptValues(whole, kept.mask), kept.dtype)] as const;
      });
      return { ...parameter, tensors: Object.fromEntries(held) };
    });
    return { config: this.#template.config, parameters: new Map(parameters.map((parameter) => [parameter.path, parameter])) };
  }

  /** Frees everything on the device. The objective's inputs belong to its maker. */
  async dispose(): Promise<void> {
    const { gradients, norm, update } = this.#programs;
    await Promise.all([gradients.release(), norm.release(), update.release()]);
    for (const held of [this.#parameters, this.#masks, this.#gradients, this.#state])
      for (const buffer of Object.values(held)) buffer.release();
  }
}

function lengthsOf(batch: TrainingBatch): BatchLengths {
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

function takeScalar(results: Readonly<Record<string, DeviceBuffer>>, name: string): number {
  const buffer = results[name];
  invariant(buffer !== undefined, `output ${name} is missing`);
  const value = at(toNumbers(buffer.read()), 0);
  buffer.release();
  return value;
}

function diverged(step: number, what: string): AppError {
  return new AppError('diverged', `step ${step}: ${what}. Lower the learning rate or the clipping norm.`, { details: { step } });
}
