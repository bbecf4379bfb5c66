// The quantization method: holds weights in 16, 8, 4, 3 or 2 bits, whatever parametrization they are in.
import { AppError, invariant, type OperationContext } from '#base';
import { runCooperatively } from '#linalg';
import {
  codeLayout,
  keptCount,
  type Model,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  parametrizationOf,
  replaceParameters,
  slotOnHost,
} from '#models';
import { castTensor, firstNonFinite, type HostTensor, isFloat } from '#tensor';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { relativeError } from '../decomposition/factor-problem.ts';
import { LayerInputs } from '../decomposition/layer-inputs.ts';
import { byInput, bytesOf, slotBytes, slotChains, slotRows, withSlot } from '../decomposition/slot-matrices.ts';
import { LayerRun } from '../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type Method, methodReport } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import type { GridShape } from './grid.ts';
import { type QuantizeSettings, quantizeSettings } from './settings.ts';
import { type Coded, type CodeSettings, codeByAwq, codeByGptq, decoded, encodedBytes, encodedSlot, roundToNearest } from './slot-codes.ts';

/**
 * Stores every selected matrix in fewer bits a number.
 *
 * @see README.md beside this file, and the sources at `gptqCodes` and `codeByAwq`
 */
export const quantize: Method<QuantizeSettings> = {
  name: 'quantize',
  settings: quantizeSettings,
  needsCalibration: ({ method }) => method !== 'rtn',
  async apply(model, settings, environment, context) {
    const specs = selectMatrices(model, settings);
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      const run = new QuantizeRun(model, settings, new LayerRun('quantize', specs.length, environment, context), context, matrices);
      const finished = await run.apply(specs, environment);
      const replacements = finished.flatMap(({ parameters }) => parameters);
      const layers = finished.map(({ layer }) => layer);
      return { model: replaceParameters(model, replacements), report: methodReport('quantize', layers) };
    } finally {
      await matrices.release();
    }
  },
};

/** One application of the method: what all its steps share. */
class QuantizeRun {
  readonly #model: Model;
  readonly #settings: QuantizeSettings;
  readonly #codes: CodeSettings;
  readonly #context: OperationContext;
  readonly #matrices: EngineMatrices;
  readonly #layers: LayerRun;

  constructor(model: Model, settings: QuantizeSettings, layers: LayerRun, context: OperationContext, matrices: EngineMatrices) {
    const { bits, groupSize, symmetric } = settings;
    this.#model = model;
    this.#settings = settings;
    this.#codes = { bits, groupSize, symmetric: symmetric ?? bits === 8 };
    this.#context = context;
    this.#matrices = matrices;
    this.#layers = layers;
  }

  /** Results in the order of `specs`. */
  async apply(specs: readonly ParameterSpec[], { calibration }: CompressionEnvironment): Promise<FinishedLayer[]> {
    const { method } = this.#settings;
    const calibrated = new Map(
      specs.filter((spec) => method !== 'rtn' && this.#readsInputs(spec)).map((spec) => [spec.path, spec] as const),
    );
    const finished = new Map<string, FinishedLayer>();
    for (const spec of specs) if (!calibrated.has(spec.path)) finished.set(spec.path, await this.#quantize(spec, undefined));
    if (calibrated.size > 0) {
      if (calibration === undefined)
        throw new AppError(
          'not_enough_samples',
          `quantize: method "${method}" looks at layer inputs and got no calibration text. Give data.`,
        );
      for await (const moments of calibration.inputMoments(this.#model, [...calibrated.keys()], this.#context)) {
        const inputs = new LayerInputs(this.#matrices, moments.gram, moments.width);
        try {
          for (const path of moments.paths) {
            const spec = calibrated.get(path);
            invariant(spec !== undefined, `calibration answered for ${path}, which was not asked for`);
            finished.set(path, await this.#quantize(spec, inputs));
          }
        } finally {
          inputs.release();
        }
      }
    }
    return specs.map(({ path }) => {
      const result = finished.get(path);
      invariant(result !== undefined, `${path} was not quantized`);
      return result;
    });
  }

  #parameter({ path }: ParameterSpec): Parameter {
    const parameter = this.#model.parameters.get(path);
    invariant(parameter !== undefined, `${path} is in the architecture but not in the model`);
    return parameter;
  }

  /** Embeddings are looked up, and so have no inputs; slots of kinds without a chain are rounded to nearest. */
  #readsInputs(spec: ParameterSpec): boolean {
    return spec.role === 'linear' && slotChains[this.#parameter(spec).kind] !== undefined;
  }

  #quantize(spec: ParameterSpec, inputs: LayerInputs | undefined): Promise<FinishedLayer> {
    return this.#layers.layer(spec.path, () => this.#make(spec, inputs));
  }

  async #make(spec: ParameterSpec, inputs: LayerInputs | undefined): Promise<FinishedLayer> {
    const before = this.#parameter(spec);
    checkFinite(before);
    const after = this.#settings.bits === 16 ? halved(before) : await this.#encode(spec, before, inputs);
    const [bytesBefore, bytesAfter] = [bytesOf(before.tensors), bytesOf(after?.tensors ?? before.tensors)];
    const base = { path: spec.path, kindBefore: before.kind, bytesBefore, bytesAfter };
    if (after === undefined) {
      const note = `kept as it is: ${this.#settings.bits} bits would not store less`;
      return { layer: { ...base, kindAfter: before.kind, weightError: 0, note }, parameters: [] };
    }
    const [old, made] = [this.#weight(spec, before), this.#weight(spec, after)];
    const difference = old.data.map((value, index) => value - (made.data[index] ?? 0));
    const weightError = relativeError({ lost: energy(difference), total: energy(old.data) });
    const kindAfter = this.#settings.bits === 16 ? `${before.kind}, float16` : `${before.kind}, ${this.#settings.bits} bits`;
    if (inputs === undefined) return { layer: { ...base, kindAfter, weightError }, parameters: [after] };
    const outputError = relativeError({
      lost: await inputs.outputEnergy(new Float64Array(difference)),
      total: await inputs.outputEnergy(new Float64Array(old.data)),
    });
    return { layer: { ...base, kindAfter, weightError, outputError }, parameters: [after] };
  }

  #weight({ path }: ParameterSpec, parameter: Parameter): HostTensor<'float32'> {
    return materializeParameter(replaceParameters(this.#model, [parameter]), path);
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
        const isSmaller = encodedBytes(layout, this.#codes) < slotBytes(parameter, slot);
        const rows = slotRows(slotOnHost(spec, parameter, slot), layout);
        const shape: GridShape = { ...layout, ...this.#codes };
        const isSparse = keptCount(parameter, slot) !== undefined;
        const coded = isSmaller ? await this.#code(rows, shape, isSparse, current) : undefined;
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

  /** Zero is on every grid, so rounding leaves it zero; only GPTQ has to be told which zeros are not to make up for others. */
  async #code(rows: Float32Array, shape: GridShape, isSparse: boolean, inputs: LayerInputs | undefined): Promise<Coded> {
    if (inputs === undefined) return await runCooperatively(roundToNearest(rows, shape), this.#context.signal);
    if (this.#settings.method === 'awq') return await codeByAwq(this.#matrices, rows, shape, inputs);
    const keeps = isSparse ? Uint8Array.from(byInput(rows, shape), (value) => (value === 0 ? 0 : 1)) : undefined;
    return await codeByGptq(this.#matrices, rows, shape, inputs, keeps);
  }
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
