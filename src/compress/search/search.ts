// The step `search`: tries recipes on a model within a budget, and goes on with the best that is within the target.
import { AppError, type ErrorCode, type OperationContext, systemClock, throwIfCancelled } from '#base';
import { type Model, parameterCounts } from '#models';
import { compressModel } from '../compress-model.ts';
import type { Measures } from '../measures.ts';
import type { CompressionEnvironment, LayerReport, Method, MethodResult, StepPlace } from '../method.ts';
import { parseRecipe, parseStep, type RecipeStep, type RegisteredMethod, register } from '../recipe.ts';
import { Goal } from './goal.ts';
import type { SearchEnd, SearchReport, SearchTrial } from './report.ts';
import { type SearchSettings, searchSettings } from './settings.ts';
import { givenSpace, ownSpace } from './space.ts';
import { nextTrial, type Proposal, type SearchPlan } from './strategy.ts';

type MethodTable = Readonly<Record<string, RegisteredMethod>>;

/**
 * The search over the steps of a table, which may hold the search itself.
 *
 * Its candidates are checked with the recipe that it stands in.
 */
export function registerSearch(table: () => MethodTable): RegisteredMethod {
  const registered = register(searchMethod(table));
  return {
    name: registered.name,
    step(raw, place) {
      const step = registered.step(raw, place);
      const settings = step.settings as SearchSettings;
      const nested = nestedSteps(settings, place, table());
      return {
        ...step,
        // Our own space has methods that look at text.
        needsCalibration: settings.candidates === undefined || nested.some(({ needsCalibration }) => needsCalibration),
        models: [...new Set(nested.flatMap(({ models }) => models))],
        nested,
      };
    },
  };
}

/** @throws AppError `bad_recipe` */
function nestedSteps({ candidates = [], distill }: SearchSettings, place: string, { search: _, ...methods }: MethodTable): RecipeStep[] {
  const given = candidates.flatMap(({ steps }, candidate) =>
    steps.map((step, index) => parseStep(step, `${place}.candidates[${candidate}].steps[${index}]`, methods)),
  );
  return distill === undefined ? given : [...given, parseStep({ distill }, place, methods)];
}

function searchMethod(table: () => MethodTable): Method<SearchSettings> {
  return {
    name: 'search',
    settings: searchSettings,
    needsCalibration: () => true,
    needsHeldOut: () => true,
    async apply(model, settings, environment, context) {
      return await new Search(model, settings, environment, table(), context).run();
    },
  };
}

/** What the model of a trial is, beside its numbers. */
interface KeptModel {
  readonly trial: string;
  readonly config: Model['config'];
  readonly layers: readonly LayerReport[];
}

interface BestModel extends KeptModel {
  readonly model: Model;
}

/** Faults of a candidate: the search notes them and goes on. */
const candidateFaults: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'already_quantized',
  'already_shared',
  'bad_recipe',
  'bad_weights',
  'cannot_slice',
  'context_too_long',
  'diverged',
  'does_not_factor',
  'gate_not_met',
  'insufficient_memory',
  'invalid_argument',
  'not_enough_samples',
  'out_of_memory',
  'pattern_matches_nothing',
  'rank_out_of_range',
  'shape_mismatch',
  'unsupported',
]);

const bestKey = 'best';
const startKey = 'start';

class Search {
  readonly #model: Model;
  readonly #settings: SearchSettings;
  readonly #environment: CompressionEnvironment;
  readonly #methods: MethodTable;
  readonly #context: OperationContext;
  readonly #trials: SearchTrial[] = [];
  #best: BestModel | undefined;

  constructor(
    model: Model,
    settings: SearchSettings,
    environment: CompressionEnvironment,
    methods: MethodTable,
    context: OperationContext,
  ) {
    this.#model = model;
    this.#settings = settings;
    this.#environment = environment;
    this.#methods = methods;
    this.#context = context;
  }

  async run(): Promise<MethodResult> {
    const { budget, candidates, distill } = this.#settings;
    const start = await this.#startMeasures();
    const goal = new Goal(this.#settings, start);
    if (!goal.minimizesSize && goal.meets(start)) return this.#unchanged();
    const plan: SearchPlan = {
      families: candidates === undefined ? ownSpace(this.#model) : givenSpace(candidates),
      goal,
      trials: budget.trials,
      ...(distill === undefined ? {} : { training: { distill } }),
    };
    const ended = await this.#tryAll(plan);
    const chosen = goal.best(this.#trials);
    if (chosen === undefined) throw goal.notReached(this.#trials);
    return this.#result(goal, chosen, await this.#modelOf(chosen, this.#trials.indexOf(chosen)), ended);
  }

  async #tryAll(plan: SearchPlan): Promise<SearchEnd> {
    const { trials: most, minutes = Number.POSITIVE_INFINITY } = this.#settings.budget;
    const { records } = this.#environment;
    for (;;) {
      throwIfCancelled(this.#context.signal);
      const index = this.#trials.length;
      if (index >= most) return 'trials';
      if (this.#trials.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) >= minutes * 60_000) return 'minutes';
      const proposal = nextTrial(plan, this.#trials);
      if (proposal === undefined) return 'exhausted';
      const known = (await records?.recall(trialKey(index))) as SearchTrial | undefined;
      const trial = known ?? (await this.#try(proposal, plan.goal, index));
      this.#trials.push(trial);
      this.#report(plan.goal, trial);
    }
  }

  async #try(proposal: Proposal, goal: Goal, index: number): Promise<SearchTrial> {
    const { family, level, name, steps, trained } = proposal;
    const { records, within } = this.#environment;
    const place = within?.(trialKey(index));
    const started = systemClock.monotonicMs();
    const common = { family, level, name, steps, trained };
    const elapsedMs = (): number => systemClock.monotonicMs() - started;
    let trial: SearchTrial;
    try {
      const made = await this.#make(proposal, index, place);
      const measures = await this.#measure(made.model, goal, index, name);
      trial = { ...common, measures, meets: goal.meets(measures), elapsedMs: elapsedMs() };
      if (goal.best([...this.#trials, trial]) === trial) await this.#keep(made);
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (!candidateFaults.has(error.code)) throw thrown;
      trial = { ...common, measures: {}, meets: false, elapsedMs: elapsedMs(), failure: error.message };
    }
    // Last: a trial that has no record is made again, and is the same.
    await records?.remember(trialKey(index), trial);
    await place?.forget?.();
    return trial;
  }

  async #make({ name, steps }: Pick<Proposal, 'name' | 'steps'>, index: number, place: StepPlace | undefined): Promise<BestModel> {
    const { engine, calibration, heldOut, training, seed = 0 } = this.#environment;
    const recipe = parseRecipe({ steps, seed: this.#settings.seed ?? seed }, this.#methods);
    const environment = {
      engine,
      ...(calibration === undefined ? {} : { calibration }),
      // For gates in candidates.
      ...(heldOut === undefined ? {} : { heldOut }),
      ...(place?.records === undefined ? {} : { records: place.records }),
      ofStep: (step: number): StepPlace => place?.within?.(`step ${step}`) ?? (training === undefined ? {} : { training }),
    };
    const { model, report } = await compressModel(this.#model, recipe, environment, this.#inTrial(index, name));
    const layers = report.steps.flatMap(({ layers: touched, isDropped }) => (isDropped === true ? [] : touched));
    return { trial: name, model, config: model.config, layers };
  }

  async #measure(model: Model, goal: Goal, index: number, name: string): Promise<Measures> {
    const { heldOut } = this.#environment;
    if (heldOut === undefined) throw noData();
    const context = this.#inTrial(index, name);
    return {
      storedBytes: parameterCounts(model).storedBytes,
      ...(await heldOut.measure(model, context)),
      ...(goal.measuresLatency ? { latencyMs: await heldOut.latencyMs(model, context) } : {}),
    };
  }

  async #startMeasures(): Promise<Measures> {
    const { stages, heldOut, records } = this.#environment;
    if (stages === undefined || heldOut === undefined) throw noData();
    // A latency is another one each time: what the first attempt found holds.
    const known = (await records?.recall(startKey)) as Measures | undefined;
    if (known !== undefined) return known;
    const latency = this.#settings.target.latencyMs === undefined ? {} : { latencyMs: await heldOut.latencyMs(this.#model, this.#context) };
    const measures = { storedBytes: parameterCounts(this.#model).storedBytes, ...(await stages.current()), ...latency };
    await records?.remember(startKey, measures);
    return measures;
  }

  async #keep(made: BestModel): Promise<void> {
    const { memory, records } = this.#environment;
    const { trial, config, layers, model } = made;
    this.#best = made;
    const kept: KeptModel = { trial, config, layers };
    await records?.remember(`${bestKey} ${trial}`, kept);
    const layer = { path: '*', kindBefore: '', kindAfter: '', bytesBefore: 0, bytesAfter: 0, weightError: 0, note: trial };
    await memory?.remember(bestKey, { layer, parameters: [...model.parameters.values()] });
  }

  /** As it was made in this attempt or an earlier one; made again where that one is lost. */
  async #modelOf(chosen: SearchTrial, index: number): Promise<BestModel> {
    if (this.#best?.trial === chosen.name) return this.#best;
    const { memory, records, within } = this.#environment;
    const kept = (await records?.recall(`${bestKey} ${chosen.name}`)) as KeptModel | undefined;
    const stored = await memory?.recall(bestKey);
    if (kept !== undefined && stored?.layer.note === chosen.name) {
      const parameters = new Map(stored.parameters.map((parameter) => [parameter.path, parameter]));
      return { ...kept, model: { config: kept.config, parameters } };
    }
    return await this.#make(chosen, index, within?.(trialKey(index)));
  }

  /** What a trial reports on the way, under the name of the trial. */
  #inTrial(index: number, name: string): OperationContext {
    const { signal } = this.#context;
    const { trials: total } = this.#settings.budget;
    return {
      signal,
      report: ({ phase, item = '' }) =>
        this.#context.report({ phase: 'search', step: index, total, item: `${name}: ${phase} ${item}`.trimEnd() }),
    };
  }

  /** One event a trial; all that ever come onto the front are seen to. */
  #report(goal: Goal, trial: SearchTrial): void {
    const { metric, budget } = this.#settings;
    const best = goal.best(this.#trials)?.measures;
    const metrics = {
      ...trial.measures,
      meetsTarget: trial.meets ? 1 : 0,
      onFront: goal.front(this.#trials).has(trial) ? 1 : 0,
      ...(best === undefined
        ? {}
        : { bestStoredBytes: best['storedBytes'] ?? 0, [`best${metric[0]?.toUpperCase()}${metric.slice(1)}`]: best[metric] ?? 0 }),
    };
    const item = trial.failure === undefined ? trial.name : `${trial.name}: ${trial.failure}`;
    this.#context.report({ phase: 'search', step: this.#trials.length, total: budget.trials, item, metrics });
  }

  #unchanged(): MethodResult {
    const { storedBytes } = parameterCounts(this.#model);
    const note = 'the model is within the target already: nothing was tried';
    return {
      model: this.#model,
      report: {
        method: 'search',
        layers: [],
        note,
        bytesBefore: storedBytes,
        bytesAfter: storedBytes,
        search: { trials: [], ended: 'exhausted' },
      },
    };
  }

  #result(goal: Goal, chosen: SearchTrial, { model, layers }: BestModel, ended: SearchEnd): MethodResult {
    const { metric } = this.#settings;
    const [before, after] = [this.#model, model].map((each) => parameterCounts(each).storedBytes);
    const { [metric]: value = 0 } = chosen.measures;
    const share = ((100 * (after ?? 0)) / (before ?? 1)).toFixed(1);
    const note = `"${chosen.name}", the best of ${this.#trials.length} trials: ${share} % of the bytes, ${metric} ${value.toFixed(4)}`;
    const front = goal.front(this.#trials);
    const search: SearchReport = {
      trials: this.#trials.map((trial) => ({ ...trial, isOnFront: front.has(trial) })),
      chosen: this.#trials.indexOf(chosen),
      ended,
    };
    return { model, report: { method: 'search', layers, note, bytesBefore: before ?? 0, bytesAfter: after ?? 0, search } };
  }
}

function trialKey(index: number): string {
  return `trial ${index}`;
}

function noData(): AppError {
  return new AppError('not_enough_samples', 'search: measures on held-out data and got none. Give validation or data.');
}
