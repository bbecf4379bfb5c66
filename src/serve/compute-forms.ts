// In which numbers a model multiplies: as it is stored, in 8-bit integers, or in whichever is faster for the rows of a step.
import { AppError, type Clock, invariant, systemClock } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { type CacheFormat, cacheTensors, fastestForm, graphNames, type Int8Form, int8Form, type Model, repeatsOneBlock } from '#models';
import { int32, int64 } from '#tensor';
import { cacheScales } from './cache-scales.ts';
import type { CacheBinding, CacheType } from './key-value-caches.ts';
import { compileSteps, type StepInputs, type StepProgramOptions, type StepPrograms } from './step-programs.ts';

export const computeModes = ['auto', 'exact', 'int8', 'float16'] as const;

/**
 * `exact`: matrices multiply as they are stored. `int8`: all of them, the head included, are rounded to 8-bit integers, and activations to the range of
 * each batch: fastest for many sequences, and the answers change. `auto`: as stored; a model stored in 4 bits or fewer also gets integer products, for the
 * steps with so many rows that they are faster there, where rounding to 8 bits changes less than the stored bits already do. `float16`: matrices
 * that are stored as floats, products and the cache in it: half of the memory, for GPUs, whose kernel for cached attention wants it; CPUs compute in float32 and
 * round.
 */
export type ComputeMode = (typeof computeModes)[number];

export interface ComputeFormOptions extends StepProgramOptions {
  /** @default 'exact' */
  readonly compute?: ComputeMode;
  /** Matrices with fewer numbers than this together are not worth a second form. @default one million */
  readonly leastElements?: number;
  readonly clock?: Clock;
  /** What keys and values are kept as; a model that repeats one block keeps float32. @default 'float32' */
  readonly cache?: CacheFormat;
}

/** What a model's keys and values are kept as, where a format is wanted. */
function cacheFormat(model: Pick<Model, 'config' | 'parameters'>, { cache = 'float32' }: Pick<ComputeFormOptions, 'cache'>): CacheFormat {
  return repeatsOneBlock(model) ? 'float32' : cache;
}

const defaultLeastElements = 1e6;
/** Rows of the steps that are timed: sequences that are decoded together, and a piece of a prompt. */
const decodeRows = [1, 4, 16, 32];
const promptRows = 128;
const timedRuns = 3;
/** A second form costs memory: it must take this share of the first one's time or less. */
const worthwhile = 0.9;

/** Rows from which integers are faster, by device and shape of the model. */
const measured = new WeakMap<Engine, Map<string, number>>();

/** Does not keep `model` itself. @throws AppError `engine_failure` | `out_of_memory` */
export async function compileForms(engine: Engine, model: Model, wanted: ComputeFormOptions): Promise<StepPrograms> {
  const cache = cacheFormat(model, wanted);
  if (cache === 'int8' && engine.device !== 'cpu')
    throw new AppError('unsupported', `cache: int8 runs on the CPU only, and the device is ${engine.device}. Keep the cache in float32.`);
  if (cache === 'int8' && wanted.compute === 'float16')
    throw new AppError('unsupported', 'cache: int8 goes with products in float32 or integers, and compute is float16. Change one of them.');
  const options = { ...wanted, cache, ...(cache === 'int8' ? { scales: await cacheScales(engine, model, wanted) } : {}) };
  const { compute = 'exact', weights, leastElements = defaultLeastElements } = options;
  // Weights that others use too stay as they are.
  if (weights !== undefined) return await compileSteps(engine, model, options);
  if (compute === 'exact' || repeatsOneBlock(model)) return await compileSteps(engine, fastestForm(model), options);
  if (compute === 'float16') return await compileSteps(engine, fastestForm(model), { ...options, products: compute });
  const form = await int8Form(model, compute === 'int8' ? 'all' : 'few bits');
  if (compute === 'int8') return await compileSteps(engine, fastestForm(form.model), options);
  const stored = await compileSteps(engine, fastestForm(model), options);
  if (form.elements < leastElements || form.addedError > form.storedError) return stored;
  let integers: StepPrograms | undefined;
  try {
    integers = await compileSteps(engine, fastestForm(form.model), { ...options, name: `${options.name} int8` });
    const chosen = await chooseForms(engine, model, { stored, integers }, form, options);
    if (chosen === stored) await integers.release();
    return chosen;
  } catch (thrown) {
    await stored.release();
    await integers?.release();
    throw thrown;
  }
}

interface Forms {
  readonly stored: StepPrograms;
  readonly integers: StepPrograms;
}

async function chooseForms(engine: Engine, model: Model, forms: Forms, form: Int8Form, options: ComputeFormOptions): Promise<StepPrograms> {
  const trial = new FormTrial(engine, model, options);
  if ((await trial.distance(forms)) > form.storedError) return forms.stored;
  const known = measured.get(engine) ?? new Map<string, number>();
  measured.set(engine, known);
  const key = JSON.stringify([model.config, [...model.parameters.values()].map(({ path, kind, settings }) => [path, kind, settings])]);
  const fromRows = known.get(key) ?? (await trial.rowsFromWhichFaster(forms));
  known.set(key, fromRows);
  return fromRows === Number.POSITIVE_INFINITY ? forms.stored : new FormPrograms(forms, fromRows);
}

/** Short runs of both forms over arbitrary tokens. */
class FormTrial {
  readonly #engine: Engine;
  readonly #model: Model;
  readonly #contextTokens: number;
  readonly #cache: CacheFormat;
  readonly #clock: Clock;

  constructor(engine: Engine, model: Model, { contextTokens, cache = 'float32', clock = systemClock }: ComputeFormOptions) {
    this.#cache = cache;
    this.#engine = engine;
    this.#model = model;
    this.#contextTokens = contextTokens;
    this.#clock = clock;
  }

  /** ‖difference of the logits‖ / ‖logits‖ without the mean of each row, which changes no probability. */
  async distance({ stored, integers }: Forms): Promise<number> {
    const length = Math.min(promptRows / 2, this.#contextTokens);
    const run = (programs: StepPrograms): Promise<Float32Array> => this.#withCache(1, (cache) => this.#logits(programs, cache, 1, length));
    const [wanted, made] = [await run(stored), await run(integers)];
    const V = this.#model.config.vocabularySize;
    let [difference, size] = [0, 0];
    for (let row = 0; row < wanted.length; row += V) {
      const [mean, otherMean] = [meanOf(wanted.subarray(row, row + V)), meanOf(made.subarray(row, row + V))];
      for (let index = row; index < row + V; index++) {
        const centred = (wanted[index] ?? 0) - mean;
        difference += ((made[index] ?? 0) - otherMean - centred) ** 2;
        size += centred ** 2;
      }
    }
    return Math.sqrt(difference / size);
  }

  /** The fewest rows from which on all steps are faster in integers; infinite where the largest ones are not. */
  async rowsFromWhichFaster({ stored, integers }: Forms): Promise<number> {
    const sizes = [...decodeRows.map((batch) => [batch, 1] as const), [1, Math.min(promptRows, this.#contextTokens)] as const];
    let fromRows = Number.POSITIVE_INFINITY;
    for (const [batch, length] of sizes.toReversed()) {
      const isFaster = await this.#withCache(batch, async (cache) => {
        const [before, after] = [await this.#time(stored, cache, batch, length), await this.#time(integers, cache, batch, length)];
        return after <= worthwhile * before;
      });
      if (!isFaster) break;
      fromRows = batch * length;
    }
    return fromRows;
  }

  /** Milliseconds of the fastest of some runs. */
  async #time(programs: StepPrograms, cache: CacheBinding, batch: number, length: number): Promise<number> {
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run <= timedRuns; run++) {
      const start = this.#clock.monotonicMs();
      (await programs.run(this.#inputs(batch, length, [0]), cache, undefined)).release();
      // The first one warms up.
      if (run > 0) best = Math.min(best, this.#clock.monotonicMs() - start);
    }
    return best;
  }

  async #logits(programs: StepPrograms, cache: CacheBinding, batch: number, length: number): Promise<Float32Array> {
    const rows = Array.from({ length: batch * length }, (_, row) => row);
    const logits = await programs.run(this.#inputs(batch, length, rows), cache, undefined);
    try {
      const { data } = logits.read();
      invariant(data instanceof Float32Array, 'logits are float32');
      return data;
    } finally {
      logits.release();
    }
  }

  #inputs(batch: number, length: number, logitRows: readonly number[]): StepInputs {
    const cells = Array.from({ length: batch * length }, (_, cell) => cell);
    return {
      [graphNames.tokens]: int64(
        [batch, length],
        cells.map((cell) => (cell * 7919 + 13) % this.#model.config.vocabularySize),
      ),
      [graphNames.positions]: int64(
        [batch, length],
        cells.map((cell) => cell % length),
      ),
      [graphNames.lastIndex]: int32([batch], new Int32Array(batch).fill(length - 1)),
      [graphNames.totalLength]: int32([1], [length]),
      [graphNames.logitRows]: int64([logitRows.length], logitRows),
    };
  }

  async #withCache<T>(batch: number, use: (cache: CacheBinding) => Promise<T>): Promise<T> {
    const buffers: DeviceBuffer[] = [];
    const [inputs, outputs]: [Record<string, DeviceBuffer>, Record<string, DeviceBuffer>] = [{}, {}];
    try {
      const room = Math.min(promptRows, this.#contextTokens);
      for (const { input, output, dtype, shape } of cacheTensors(this.#model, batch, room, this.#cache)) {
        const buffer = this.#engine.allocate({ dtype, shape });
        buffers.push(buffer);
        inputs[input] = buffer;
        outputs[output] = buffer;
      }
      return await use({ inputs, outputs });
    } finally {
      for (const buffer of buffers) buffer.release();
    }
  }
}

function meanOf(values: Float32Array): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += values[index] ?? 0;
  return total / values.length;
}

/** Two forms of one model over one cache: steps of few rows run as stored, steps of many in integers. */
class FormPrograms implements StepPrograms {
  readonly weightBytes: number;
  readonly cacheType: CacheType;
  readonly #forms: Forms;
  readonly #fromRows: number;

  constructor(forms: Forms, fromRows: number) {
    this.#forms = forms;
    this.#fromRows = fromRows;
    this.cacheType = forms.stored.cacheType ?? 'float32';
    this.weightBytes = forms.stored.weightBytes + forms.integers.weightBytes;
  }

  async run(inputs: StepInputs, cache: CacheBinding, signal: AbortSignal | undefined): Promise<DeviceBuffer> {
    const tokens = inputs[graphNames.tokens];
    invariant(tokens !== undefined, 'a step has tokens');
    const rows = tokens.shape.reduce((product, size) => product * size, 1);
    const { stored, integers } = this.#forms;
    return await (rows >= this.#fromRows ? integers : stored).run(inputs, cache, signal);
  }

  async release(): Promise<void> {
    await this.#forms.stored.release();
    await this.#forms.integers.release();
  }
}
