// The training step on a device: parameters, gradients and optimizer state stay there; batches go in and scalars come out.
import { AppError, at, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import {
  buildNormGraph,
  buildUpdateGraph,
  type Graph,
  gradientName,
  learningRateAt,
  type Optimizer,
  optimizeGraph,
  type Schedule,
  scalarInputName,
  stateName,
} from '#graph';
import { type Model, type Parameter, storedName, storedTensors, trainableNames, uploadModel } from '#models';
import { castTensor, float32, type HostTensor, toNumbers } from '#tensor';
import type { PairBatch, TokenBatch } from '#text';
import { buildGradientGraph } from './gradient-graph.ts';
import type { Objective } from './objective.ts';
import { makeOptimizer, makeSchedule, type TrainSettings } from './settings.ts';

/** What one micro-batch reads: of a language model, or of an encoder-decoder. Its fields are inputs of the gradient graph. */
export type TrainingBatch = TokenBatch | PairBatch;

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
  /** Loss and gradients of a step's first micro-batch, and of the others, which add to them. */
  readonly fresh: Program;
  readonly adding: Program | undefined;
  readonly norm: Program;
  readonly update: Program;
}

/**
 * One training run on one engine.
 *
 * Invariant: parameters and state change only in the update program, which is never cancelled midway; so after any failed
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
    this.#gradients = parts.gradients;
    this.#state = parts.state;
    this.#trained = parts.trained;
  }

  /** Compiles the programs and uploads the student. @throws AppError `context_too_long` when the sequences are too long for it */
  static async create(engine: Engine, model: Model, objective: Objective, settings: TrainSettings): Promise<Trainer> {
    const optimizer = makeOptimizer(settings.optimizer);
    const { batchSize: batch, sequenceLength: length, sourceLength } = settings;
    const sizes = { batch, length, sourceLength, trained: trainableNames(model) };
    const { graph, metricNames } = buildGradientGraph(model, objective, { ...sizes, accumulates: false });
    const adding = settings.gradientAccumulation > 1 ? buildGradientGraph(model, objective, { ...sizes, accumulates: true }) : undefined;
    // Only tensors that the graph reads have gradients.
    const made = new Set(graph.outputs.map(({ name }) => name));
    const trained = sizes.trained.filter((name) => made.has(gradientName(name)));
    const shapes = new Map([...storedTensors(model)].map(([name, tensor]) => [name, tensor.shape] as const));
    const updated = trained.map((name) => {
      const shape = shapes.get(name);
      invariant(shape !== undefined, `trained tensor ${name} is stored`);
      return { name, shape, decays: shape.length > 1 };
    });
    const update = buildUpdateGraph(updated, optimizer, settings.clipNorm === 0 ? undefined : settings.clipNorm, 'given');

    const programs: Program[] = [];
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
      const parameters = uploadModel(engine, model);
      buffers.push(...Object.values(parameters));
      return new Trainer({
        model,
        settings,
        optimizer,
        objective,
        metricNames,
        trained,
        parameters,
        programs: {
          fresh: await compile(graph, 'gradients'),
          adding: adding === undefined ? undefined : await compile(adding.graph, 'gradients-adding'),
          norm: await compile(optimizeGraph(buildNormGraph(updated)), 'norm'),
          update: await compile(optimizeGraph(update), 'update'),
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
    const program = adds ? this.#programs.adding : this.#programs.fresh;
    invariant(program !== undefined, 'an accumulating program was compiled');
    const available: Record<string, DeviceBuffer | HostTensor> = {
      ...this.#parameters,
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
    const { update } = this.#programs;
    const parameters = chosen(this.#parameters, this.#trained);
    const available: Record<string, DeviceBuffer | HostTensor> = { ...parameters, ...this.#gradients, ...this.#state };
    for (const [name, value] of Object.entries(scalars)) available[scalarInputName(name)] = float32([], [value]);
    await update.run(chosen(available, update.inputNames), { outputs: { ...parameters, ...this.#state } });
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

  /** The student as it is now. Every tensor keeps the element type that it came with, so that training does not change stored bytes. */
  model(): Model {
    const parameters = this.#template.parameters.map(({ parameter, slots }): Parameter => {
      const tensors = slots.map(({ slot, name, kept }) => {
        if (!('data' in kept)) {
          const buffer = this.#parameters[name];
          invariant(buffer !== undefined, `${name} is on the device`);
          return [slot, castTensor(buffer.read(), kept.dtype)] as const;
        }
        return [slot, kept] as const;
      });
      return { ...parameter, tensors: Object.fromEntries(tensors) };
    });
    return { config: this.#template.config, parameters: new Map(parameters.map((parameter) => [parameter.path, parameter])) };
  }

  /** Frees everything on the device. The objective's inputs belong to its maker. */
  async dispose(): Promise<void> {
    const { fresh, adding, norm, update } = this.#programs;
    await Promise.all([fresh.release(), adding?.release(), norm.release(), update.release()]);
    for (const held of [this.#parameters, this.#gradients, this.#state]) for (const buffer of Object.values(held)) buffer.release();
  }
}

interface ModelTemplate {
  readonly config: Model['config'];
  readonly parameters: readonly {
    readonly parameter: Omit<Parameter, 'tensors'>;
    /** Of a trained tensor its element type, of any other the tensor itself. */
    readonly slots: readonly { readonly slot: string; readonly name: string; readonly kept: HostTensor | Pick<HostTensor, 'dtype'> }[];
  }[];
}

function templateOf({ config, parameters }: Model, trained: ReadonlySet<string>): ModelTemplate {
  return {
    config,
    parameters: [...parameters.values()].map(({ path, kind, settings, tensors }) => ({
      parameter: { path, kind, settings },
      slots: Object.entries(tensors).map(([slot, tensor]) => {
        const name = storedName({ path, kind }, slot);
        return { slot, name, kept: trained.has(name) ? { dtype: tensor.dtype } : tensor };
      }),
    })),
  };
}

function chosen<T>(available: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(
    names.map((name) => {
      const item = available[name];
      invariant(item !== undefined, `nothing is bound to ${name}`);
      return [name, item];
    }),
  );
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
