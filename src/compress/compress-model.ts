// Runs the steps of a recipe on a model, one after the other, until the end or a gate that does not hold.
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { type Model, parameterCounts, sharedUsers } from '#models';
import type { Measures } from './measures.ts';
import type { CompressionEnvironment, MethodReport, MethodResult, StepPlace } from './method.ts';
import type { Recipe, RecipeStep } from './recipe.ts';
import { StageLog } from './stage-log.ts';

/** A step that ran. */
export interface StepOutcome extends MethodReport {
  /** Of the model after the step, on held-out data, where stages are measured. */
  readonly measures?: Measures;
  /** The result is the model of a stage before it. */
  readonly isDropped?: boolean;
}

/** Why a recipe ended before its last step. */
export interface RecipeStop {
  /** The step that stopped it. */
  readonly step: number;
  /** For people. */
  readonly reason: string;
  /** The result is the model after so many steps. */
  readonly keptSteps: number;
}

export interface CompressionReport {
  /** Those that ran; the result comes from those that are not dropped. */
  readonly steps: readonly StepOutcome[];
  /** Stored bytes of the whole model; every tensor counts once. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Of the model that the recipe started from, where anything was measured. */
  readonly measuresBefore?: Measures;
  readonly stop?: RecipeStop;
}

/** What all steps may use, and what each has of its own. */
export interface RecipeEnvironment extends Omit<CompressionEnvironment, 'memory' | 'training' | 'errorsBefore' | 'stages' | 'within'> {
  /** Of the step at this place of the recipe, from 0. */
  ofStep?(index: number): StepPlace;
  /** Measures the model before the first and after every step, gates or not, where the held-out data says something of it. */
  readonly measuresStages?: boolean;
}

export interface CompressionOutcome {
  readonly model: Model;
  readonly report: CompressionReport;
}

/**
 * Applies all steps; each sees the model that the one before it made, and calibrates on that model.
 *
 * A gate that does not hold, and a training that diverges, end the recipe: with the model of the last gate that held where there is one and the gate does not
 * say otherwise.
 *
 * @throws AppError `cancelled` | `gate_not_met` | those of the methods, which name the step; the model given stays as it is
 */
export async function compressModel(
  model: Model,
  recipe: Recipe,
  environment: RecipeEnvironment,
  context: OperationContext,
): Promise<CompressionOutcome> {
  const run = new RecipeRun(model, recipe, environment, context);
  for (const [index, step] of recipe.steps.entries()) if (!(await run.apply(index, step))) break;
  return run.outcome();
}

/**
 * Finds out what rules the first step out on the model, before any data is read; what the others see is not known yet.
 *
 * @throws AppError as `compressModel`
 */
export function checkFirstStep(model: Model, { steps }: Recipe): void {
  try {
    steps[0]?.check(model);
  } catch (thrown) {
    throw ofStepAt(0, thrown);
  }
}

/** The model that the recipe can fall back on. */
interface Passed {
  readonly model: Model;
  /** Steps that made it, its gate included. */
  readonly numSteps: number;
  readonly measures: Measures;
}

class RecipeRun {
  readonly #start: Model;
  readonly #environment: RecipeEnvironment;
  readonly #context: OperationContext;
  readonly #seed: number | undefined;
  readonly #hasMeasuringSteps: boolean;
  readonly #stages: StageLog | undefined;
  readonly #errorsBefore = new Map<string, number>();
  readonly #steps: StepOutcome[] = [];
  #current: Model;
  #passed: Passed | undefined;
  #stop: RecipeStop | undefined;

  constructor(start: Model, { seed, steps }: Recipe, environment: RecipeEnvironment, context: OperationContext) {
    this.#start = start;
    this.#current = start;
    this.#environment = environment;
    this.#context = context;
    this.#seed = seed ?? environment.seed;
    this.#hasMeasuringSteps = steps.some(({ needsHeldOut }) => needsHeldOut);
    this.#stages = environment.heldOut === undefined ? undefined : new StageLog(environment.heldOut, environment.records, context);
  }

  /** Answers whether the recipe goes on. */
  async apply(index: number, step: RecipeStep): Promise<boolean> {
    throwIfCancelled(this.#context.signal);
    // Measured before anything is done: a fault of the data costs no work then.
    if (index === 0 && (this.#measuresStage(this.#start) || (this.#hasMeasuringSteps && this.#fits(this.#start))))
      await this.#startMeasures();
    const result = await step.apply(this.#current, this.#ofStep(index), this.#context).catch((thrown: unknown) => {
      const error = ofStepAt(index, thrown);
      if (!(error instanceof AppError) || error.code !== 'diverged' || this.#passed === undefined) throw error;
      return error;
    });
    if (result instanceof AppError) return this.#stopAt(index, result.message);
    return await this.#take(index, result);
  }

  async #take(index: number, { model, report }: MethodResult): Promise<boolean> {
    this.#current = model;
    // A gate is about the model before it, whose figures are known.
    const isMeasured = report.gate !== undefined || this.#measuresStage(model);
    const measures = isMeasured ? await this.#stages?.of(model, index + 1) : undefined;
    this.#steps.push({ ...withUses(report, model), ...(measures === undefined ? {} : { measures }) });
    // A layer that a step left as it was keeps what it had lost before.
    for (const { path, weightError } of report.layers) if (weightError > 0) this.#errorsBefore.set(path, weightError);
    const { gate, note = '' } = report;
    if (gate === undefined) return true;
    if (gate.held) {
      this.#passed = { model, numSteps: index + 1, measures: measures ?? {} };
      return true;
    }
    if (this.#passed === undefined || gate.otherwise === 'fail') throw notMet(index, gate, note, this.#passed !== undefined);
    return this.#stopAt(index, note);
  }

  /** Goes back to the model of the last gate that held. */
  #stopAt(step: number, reason: string): false {
    const { model, numSteps } = this.#passed ?? { model: this.#start, numSteps: 0 };
    this.#current = model;
    this.#stop = { step, reason, keptSteps: numSteps };
    return false;
  }

  outcome(): CompressionOutcome {
    const kept = this.#stop?.keptSteps ?? this.#steps.length;
    const steps = this.#steps.map((step, index) => (index < kept ? step : { ...step, isDropped: true }));
    const measuresBefore = this.#stages?.known(0);
    return {
      model: this.#current,
      report: {
        steps,
        bytesBefore: parameterCounts(this.#start).storedBytes,
        bytesAfter: parameterCounts(this.#current).storedBytes,
        ...(measuresBefore === undefined ? {} : { measuresBefore }),
        ...(this.#stop === undefined ? {} : { stop: this.#stop }),
      },
    };
  }

  #measuresStage(model: Model): boolean {
    return this.#environment.measuresStages === true && this.#fits(model);
  }

  /** A stage that the held-out data says nothing of has no figures; what needs them is refused when it asks. */
  #fits(model: Model): boolean {
    return this.#environment.heldOut?.fits(model) === true;
  }

  async #startMeasures(): Promise<Measures> {
    return (await this.#stages?.of(this.#start, 0)) ?? {};
  }

  #ofStep(index: number): CompressionEnvironment {
    const { ofStep, measuresStages: _, records: __, ...shared } = this.#environment;
    const [stages, current, passed] = [this.#stages, this.#current, this.#passed];
    return {
      ...shared,
      ...(this.#seed === undefined ? {} : { seed: this.#seed }),
      ...ofStep?.(index),
      errorsBefore: new Map(this.#errorsBefore),
      ...(stages === undefined
        ? {}
        : {
            stages: {
              start: () => this.#startMeasures(),
              current: () => stages.of(current, index),
              ...(passed === undefined ? {} : { passed: passed.measures }),
            },
          }),
    };
  }
}

function notMet(index: number, { metric, value, limit }: NonNullable<MethodReport['gate']>, note: string, hasPassed: boolean): AppError {
  const remedy = hasPassed
    ? 'Say "otherwise: keep" to store the model of the gate before'
    : 'No gate before it held, so there is no stage to keep';
  const message = `steps[${index}]: gate: ${note}. ${remedy}, compress less, or train longer. Nothing was stored.`;
  return new AppError('gate_not_met', message, { details: { step: index, metric, value, limit } });
}

/** The error of a method with its place in the recipe. Defects and cancellations stay as they are. */
function ofStepAt(index: number, thrown: unknown): unknown {
  if (!(thrown instanceof AppError) || thrown.code === 'cancelled' || thrown.code === 'internal') return thrown;
  const message = thrown.message.slice(`[${thrown.code}] `.length);
  // A training names the step of its own at which it failed.
  const { step: trainingStep, ...details } = thrown.details;
  const places = { step: index, ...(trainingStep === undefined ? {} : { trainingStep }) };
  return new AppError(thrown.code, `steps[${index}]: ${message}`, { details: { ...details, ...places }, cause: thrown });
}

/** Says of every matrix that several layers share which other layers a step changed with it. */
function withUses(report: MethodReport, model: Model): MethodReport {
  const users = sharedUsers(model);
  const layers = report.layers.map((layer) => {
    const others = users.get(layer.path);
    if (others === undefined) return layer;
    const uses = `is ${others.join(', ')} too`;
    return { ...layer, note: layer.note === undefined ? uses : `${layer.note}; ${uses}` };
  });
  return { ...report, layers };
}
