// The quantization method: holds weights in 16 bits or fewer, whatever parametrization they are in, and rounds activations where asked.
import { AppError, invariant, type OperationContext } from '#base';
import { runCooperatively } from '#linalg';
import {
  type CodeLayout,
  codeLayout,
  keptCount,
  type Model,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  parametrizationOf,
  replaceParameters,
  slotName,
  slotOnHost,
  smallestGroup,
} from '#models';
import { castTensor, firstNonFinite, type HostTensor, isFloat } from '#tensor';
import { multipliedSlots } from '../activation-statistics.ts';
import type { Calibration } from '../calibration.ts';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { relativeError } from '../decomposition/factor-problem.ts';
import { inputsOfLayers, type LayerInputs } from '../decomposition/layer-inputs.ts';
import { byInput, bytesOf, slotBytes, slotChains, slotRows, withSlot } from '../decomposition/slot-matrices.ts';
import { LayerRun } from '../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type Method, methodReport } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import { codeByAwq } from './awq.ts';
import { awqModel } from './awq-model.ts';
import { fixedInputGrids } from './fixed-inputs.ts';
import type { GridShape } from './grid.ts';
import { encodeInt8, type InputGrid, int8Bytes } from './int8-codes.ts';
import { schemeBits, schemeCodes } from './scheme-codes.ts';
import { hasFixedActivations, hasIntegerProducts, type QuantizeSettings, quantizeSettings } from './settings.ts';
import { type Coded, type CodeSettings, codeByGptq, decoded, encodedBytes, encodedSlot, roundToNearest } from './slot-codes.ts';
import { type Rescaled, smoothModel } from './smooth.ts';

const defaults = { groupSize: 32, alpha: 0.5 };

/** Methods that choose codes by the moments of a layer's inputs. */
function readsMoments({ method }: QuantizeSettings): boolean {
  return method === 'gptq' || method === 'awq';
}

function needsCalibration(settings: QuantizeSettings): boolean {
  return readsMoments(settings) || settings.method === 'smoothquant' || hasFixedActivations(settings);
}

/**
 * Stores every selected matrix in fewer bits a number.
 *
 * @see README.md beside this file, and the sources at `gptqCodes`, `searchInputScales`, `smoothModel`, `entropyRange` and `schemeCodes`
 */
export const quantize: Method<QuantizeSettings> = {
  name: 'quantize',
  settings: quantizeSettings,
  needsCalibration,
  check: (model, settings) => void selectMatrices(model, settings),
  async apply(model, settings, environment, context) {
    const specs = selectMatrices(model, settings);
    for (const { path } of specs) checkFinite(parameterOf(model, path));
    const calibration = requiredCalibration(settings, environment);
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      const linear = specs.filter(({ role }) => role === 'linear').map(({ path }) => path);
      const rescaled = await rescale(model, linear, settings, calibration, matrices, context);
      const grids =
        calibration !== undefined && hasFixedActivations(settings)
          ? await fixedInputGrids(rescaled.model, specs, settings, calibration, context)
          : new Map<string, InputGrid>();
      const layers = new LayerRun('quantize', specs.length, environment, context);
      const run = new QuantizeRun({ before: model, rescaled, grids, settings, layers, context, matrices });
      const finished = await run.apply(specs, calibration);
      const replacements = finished.flatMap(({ parameters }) => parameters);
      const report = methodReport(
        'quantize',
        finished.map(({ layer }) => layer),
      );
      return { model: replaceParameters(rescaled.model, replacements), report };
    } finally {
      await matrices.release();
    }
  },
};

/** @throws AppError `not_enough_samples` without calibration that the settings need */
function requiredCalibration(settings: QuantizeSettings, { calibration }: CompressionEnvironment): Calibration | undefined {
  if (calibration !== undefined || !needsCalibration(settings)) return calibration;
  const { method } = settings;
  throw new AppError('not_enough_samples', `quantize: method "${method}" looks at layer inputs and got no calibration text. Give data.`);
}

/** The same function, with channels scaled as the method wants them. */
async function rescale(
  model: Model,
  paths: readonly string[],
  settings: QuantizeSettings,
  calibration: Calibration | undefined,
  matrices: EngineMatrices,
  context: OperationContext,
): Promise<Rescaled> {
  const { method, alpha = defaults.alpha } = settings;
  if (calibration !== undefined && method === 'smoothquant') return await smoothModel(model, paths, alpha, calibration, context);
  if (calibration !== undefined && method === 'awq')
    return await awqModel(model, paths, codeSettings(settings), calibration, matrices, context);
  return { model, notes: new Map(), folded: new Set() };
}

function codeSettings({ bits, groupSize = defaults.groupSize, symmetric, scheme }: QuantizeSettings): CodeSettings {
  if (scheme !== 'integer') return { bits: schemeBits[scheme], groupSize, symmetric: true, scheme };
  return { bits: bits ?? 8, groupSize, symmetric: symmetric ?? bits === 8 };
}

function parameterOf(model: Model, path: string): Parameter {
  const parameter = model.parameters.get(path);
  invariant(parameter !== undefined, `${path} is in the architecture but not in the model`);
  return parameter;
}

interface RunOptions {
  /** The model as it was given. */
  readonly before: Model;
  readonly rescaled: Rescaled;
  /** Fixed grids of activations, by `slotName`. */
  readonly grids: ReadonlyMap<string, InputGrid>;
  readonly settings: QuantizeSettings;
  readonly layers: LayerRun;
  readonly context: OperationContext;
  readonly matrices: EngineMatrices;
}

/** One application of the method: what all its steps share. */
class QuantizeRun {
  readonly #options: RunOptions;
  readonly #model: Model;
  readonly #settings: QuantizeSettings;
  readonly #codes: CodeSettings;
  readonly #signal: AbortSignal;
  readonly #matrices: EngineMatrices;
  /** Slots that activations meet in integers; empty where weights only are rounded. */
  readonly #multiplied: ReadonlySet<string>;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#model = options.rescaled.model;
    this.#settings = options.settings;
    this.#codes = codeSettings(options.settings);
    this.#signal = options.context.signal;
    this.#matrices = options.matrices;
    this.#multiplied = hasIntegerProducts(options.settings) ? multipliedSlots(this.#model) : new Set();
  }

  /** Results in the order of `specs`. */
  async apply(specs: readonly ParameterSpec[], calibration: Calibration | undefined): Promise<FinishedLayer[]> {
    const calibrated = new Map(
      specs.filter((spec) => readsMoments(this.#settings) && this.#readsInputs(spec)).map((spec) => [spec.path, spec] as const),
    );
    // What is finished needs no calibration.
    const finished = await this.#options.layers.recallAll(calibrated.keys());
    for (const path of finished.keys()) calibrated.delete(path);
    for (const spec of specs)
      if (!calibrated.has(spec.path) && !finished.has(spec.path)) finished.set(spec.path, await this.#quantize(spec, undefined));
    if (calibrated.size > 0 && calibration !== undefined)
      for await (const layer of inputsOfLayers(calibration, this.#model, calibrated, this.#matrices, this.#options.context))
        finished.set(layer.path, await this.#quantize(layer.target, layer.inputs));
    return specs.map(({ path }) => {
      const result = finished.get(path);
      invariant(result !== undefined, `${path} was not quantized`);
      return result;
    });
  }

  /** Whether the inputs of the slots are those of the layer: embeddings have none, and other kinds use theirs in other ways. */
  #readsInputs({ path, role }: ParameterSpec): boolean {
    return role === 'linear' && Object.hasOwn(slotChains, parameterOf(this.#model, path).kind);
  }

  #quantize(spec: ParameterSpec, inputs: LayerInputs | undefined): Promise<FinishedLayer> {
    return this.#options.layers.layer(spec.path, () => this.#make(spec, inputs));
  }

  async #make(spec: ParameterSpec, inputs: LayerInputs | undefined): Promise<FinishedLayer> {
    const { path } = spec;
    const given = parameterOf(this.#options.before, path);
    const before = parameterOf(this.#model, path);
    const after = this.#settings.bits === 16 ? halved(before) : await this.#encode(spec, before, inputs);
    const base = { path, kindBefore: given.kind, bytesBefore: bytesOf(given.tensors) };
    if (after === undefined) {
      const note = `kept as it is: ${this.#label()} would not store less`;
      return { layer: { ...base, bytesAfter: bytesOf(before.tensors), kindAfter: before.kind, weightError: 0, note }, parameters: [] };
    }
    const [old, made] = [this.#weight(before), this.#weight(after)];
    const difference = old.data.map((value, index) => value - (made.data[index] ?? 0));
    const weightError = relativeError({ lost: energy(difference), total: energy(old.data) });
    const note = this.#note(path, after, inputs);
    const layer = {
      ...base,
      bytesAfter: bytesOf(after.tensors),
      kindAfter: `${before.kind}, ${this.#label()}`,
      weightError,
      ...(note === undefined ? {} : { note }),
    };
    if (inputs === undefined) return { layer, parameters: [after] };
    const outputError = relativeError({
      lost: await inputs.outputEnergy(new Float64Array(difference)),
      total: await inputs.outputEnergy(new Float64Array(old.data)),
    });
    return { layer: { ...layer, outputError }, parameters: [after] };
  }

  /** What the numbers are held in, for people. */
  #label(): string {
    const { bits, method, scheme, activations = 'dynamic' } = this.#settings;
    if (scheme !== 'integer') return scheme;
    if (hasIntegerProducts(this.#settings)) return `int8 ${method === 'smoothquant' ? activations : method}`;
    return bits === 16 ? 'float16' : `${bits} bits`;
  }

  #note(path: string, after: Parameter, inputs: LayerInputs | undefined): string | undefined {
    const notes = [this.#options.rescaled.notes.get(path)];
    if (readsMoments(this.#settings) && inputs === undefined) notes.push('rounded to the nearest: its inputs are not known');
    if (hasIntegerProducts(this.#settings) && ![...this.#multiplied].some((slot) => slot.startsWith(`${path}:`)))
      notes.push(`activations stay floats: ${after.kind === 'dense' ? 'it is looked up only' : `${after.kind} decodes its factors`}`);
    const known = notes.filter((note) => note !== undefined);
    return known.length === 0 ? undefined : known.join('; ');
  }

  #weight(parameter: Parameter): HostTensor<'float32'> {
    return materializeParameter(replaceParameters(this.#model, [parameter]), parameter.path);
  }

  /** Puts each matrix slot into codes where that stores less; undefined where none does. */
  async #encode(spec: ParameterSpec, parameter: Parameter, inputs: LayerInputs | undefined): Promise<Parameter | undefined> {
    const slots = parametrizationOf(parameter).slots(spec, parameter.settings);
    const chain = slotChains[parameter.kind];
    const ordered = inputs === undefined || chain === undefined ? Object.keys(slots) : chain;
    let result = parameter;
    // What the slot at hand is multiplied by; those past the first are made here and released here.
    let current = inputs;
    try {
      for (const [index, slot] of ordered.entries()) {
        const slotSpec = slots[slot];
        const layout = slotSpec?.dtype === 'float' ? codeLayout(slotSpec) : undefined;
        if (layout === undefined) continue;
        const numbers = slotOnHost(spec, parameter, slot);
        const storedBytes = slotBytes(parameter, slot);
        if (hasIntegerProducts(this.#settings)) {
          result = await this.#withInt8(result, slot, numbers, storedBytes, layout);
          continue;
        }
        const isSmaller = encodedBytes(layout, this.#codes) < storedBytes;
        if (!isSmaller && parameter.kind === 'dense') checkGroup(parameter.path, layout, this.#codes, storedBytes);
        const rows = slotRows(numbers, layout);
        const shape: GridShape = { ...layout, ...this.#codes };
        const isSparse = keptCount(parameter, slot) !== undefined;
        const coded = isSmaller ? await this.#code(spec.path, rows, shape, isSparse, current) : undefined;
        if (coded !== undefined) result = withSlot(result, slot, encodedSlot(slot, coded));
        if (current === undefined || index + 1 === ordered.length) continue;
        const previous = current;
        current = await previous.through(byInput(coded === undefined ? rows : decoded(coded), shape));
        if (previous !== inputs) previous.release();
      }
    } finally {
      if (current !== inputs) current?.release();
    }
    return result === parameter ? undefined : result;
  }

  async #withInt8(parameter: Parameter, slot: string, numbers: HostTensor, storedBytes: number, layout: CodeLayout): Promise<Parameter> {
    const { perChannel = true } = this.#settings;
    const grid = this.#options.grids.get(slotName(parameter.path, slot));
    if (int8Bytes(layout, perChannel, grid !== undefined) >= storedBytes) return parameter;
    const rows = slotRows(numbers, layout);
    return withSlot(parameter, slot, await encodeInt8(slot, rows, layout, perChannel, grid, this.#signal));
  }

  /** Zero is on every grid, so rounding leaves it zero; only GPTQ has to be told which zeros are not to make up for others. */
  async #code(path: string, rows: Float32Array, shape: GridShape, isSparse: boolean, inputs: LayerInputs | undefined): Promise<Coded> {
    const { scheme, method, threshold = 'twn' } = this.#settings;
    if (scheme !== 'integer') return await runCooperatively(schemeCodes(rows, shape, scheme, threshold), this.#signal);
    if (inputs === undefined) return await runCooperatively(roundToNearest(rows, shape), this.#signal);
    if (method === 'awq') return await codeByAwq(this.#matrices, rows, shape, inputs, !this.#options.rescaled.folded.has(path));
    const keeps = isSparse ? Uint8Array.from(byInput(rows, shape), (value) => (value === 0 ? 0 : 1)) : undefined;
    return await codeByGptq(this.#matrices, rows, shape, inputs, keeps);
  }
}

/** @throws AppError `does_not_factor` where groups longer than the rows are what makes codes larger than the numbers */
function checkGroup(path: string, layout: CodeLayout, codes: CodeSettings, storedBytes: number): void {
  const fitting = Math.max(smallestGroup, 2 ** Math.ceil(Math.log2(layout.columns)));
  if (codes.groupSize <= fitting || encodedBytes(layout, { ...codes, groupSize: fitting }) >= storedBytes) return;
  throw new AppError(
    'does_not_factor',
    `${path}: groups of ${codes.groupSize} are longer than its rows of ${layout.columns} numbers. Set groupSize to ${fitting} or less, or exclude it.`,
  );
}

/** All wider floats in 16 bits; undefined where there are none. */
function halved(parameter: Parameter): Parameter | undefined {
  const entries = Object.entries(parameter.tensors);
  if (!entries.some(([, { dtype }]) => dtype === 'float32' || dtype === 'float64')) return undefined;
  const tensors = entries.map(([slot, tensor]) => {
    const half = isFloat(tensor.dtype) ? castTensor(tensor, 'float16') : tensor;
    if (firstNonFinite(half) < 0) return [slot, half] as const;
    throw new AppError('bad_weights', `${parameter.path}: a weight above 65504 does not fit 16 bits. Exclude the matrix.`);
  });
  return { ...parameter, tensors: Object.fromEntries(tensors) };
}

function checkFinite({ path, tensors }: Parameter): void {
  for (const [slot, tensor] of Object.entries(tensors)) {
    const bad = firstNonFinite(tensor);
    if (bad >= 0)
      throw new AppError('bad_weights', `${path}, ${slot}: number ${bad} is not finite. Use a checkpoint from before it diverged.`);
  }
}

function energy(numbers: Float32Array): number {
  return numbers.reduce((sum, value) => sum + value * value, 0);
}
