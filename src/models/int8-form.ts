// A model whose matrices are rounded to 8-bit integers to run faster, and how far that takes them from what is stored.
import { invariant, yieldToEventLoop } from '#base';
import { float32, type HostTensor, hostTensor, toNumbers, transposeMatrix } from '#tensor';
import { codeLayout, encodingSettings, type GroupEncoding, slotEncoding } from './encoded-slots.ts';
import type { Model, Parameter, ParameterSpec } from './model.ts';
import { replaceParameters } from './model.ts';
import { parameterSpecs, parametrizationOf, slotOnHost } from './parametrizations.ts';
import { keptCount } from './sparse-slots.ts';

/** Which matrices are rounded: those in groups of codes of 4 bits or fewer, or also those in 8 bits and in plain numbers. */
export type RoundedSlots = 'few bits' | 'all';

export interface Int8Form {
  readonly model: Model;
  /** Numbers in the matrices that were rounded; 0 where the model has none to round. */
  readonly elements: number;
  /**
   * ‖rounding that the stored codes carry‖ / ‖weights‖, over the rounded matrices: a code is off by up to half a step, evenly, which is step/√12 in the
   * root mean square. 0 for plain numbers.
   */
  readonly storedError: number;
  /** ‖rounding that was added‖ / ‖weights‖. */
  readonly addedError: number;
}

const largestCode = 127;
const mostBitsOfFew = 4;

/** Matrices become signed bytes with a scale a row, for products with activations rounded to the range of each batch. Gives way to the event loop. */
export async function int8Form(model: Model, rounded: RoundedSlots): Promise<Int8Form> {
  const specs = parameterSpecs(model);
  const sums = { elements: 0, squares: 0, stored: 0, added: 0 };
  const replaced: Parameter[] = [];
  for (const parameter of model.parameters.values()) {
    const spec = specs.get(parameter.path);
    if (spec === undefined) continue;
    let current = parameter;
    for (const slot of slotsToRound(model, spec, parameter, rounded)) {
      current = roundSlot(spec, current, slot, sums);
      await yieldToEventLoop();
    }
    if (current !== parameter) replaced.push(current);
  }
  const ratio = (part: number): number => (sums.squares === 0 ? 0 : Math.sqrt(part / sums.squares));
  return {
    model: replaced.length === 0 ? model : replaceParameters(model, replaced),
    elements: sums.elements,
    storedError: ratio(sums.stored),
    addedError: ratio(sums.added),
  };
}

function slotsToRound(model: Model, spec: ParameterSpec, parameter: Parameter, rounded: RoundedSlots): string[] {
  // Tables that are only looked up gain nothing.
  const isMultiplied = spec.role === 'linear' || (spec.path === 'embed.token.weight' && model.config.tiedHead);
  return Object.entries(parametrizationOf(parameter).slots(spec, parameter.settings))
    .filter(([slot, slotSpec]) => {
      if (slotSpec.dtype !== 'float' || codeLayout(slotSpec) === undefined || keptCount(parameter, slot) !== undefined) return false;
      const encoding = slotEncoding(parameter, slot);
      if (encoding?.scheme === 'int8') return false;
      const isFew = encoding?.scheme === 'integer' && encoding.bits <= mostBitsOfFew;
      return isFew || (rounded === 'all' && isMultiplied && (parameter.kind === 'dense' || parameter.kind === 'lowRank'));
    })
    .map(([slot]) => slot);
}

interface Sums {
  elements: number;
  squares: number;
  stored: number;
  added: number;
}

function roundSlot(spec: ParameterSpec, parameter: Parameter, slot: string, sums: Sums): Parameter {
  const slotSpec = parametrizationOf(parameter).slots(spec, parameter.settings)[slot];
  const layout = slotSpec === undefined ? undefined : codeLayout(slotSpec);
  if (slotSpec === undefined || layout === undefined) return parameter;
  const { rows: N, columns: K, isTransposed } = layout;
  const encoding = slotEncoding(parameter, slot);
  const whole = slotOnHost(spec, parameter, slot);
  const numbers = toNumbers(isTransposed ? transposeMatrix(whole) : whole); // [N, K]
  if (encoding !== undefined && encoding.scheme !== 'int8') sums.stored += storedRounding(parameter, slot, encoding, N * K);

  const codes = new Int8Array(N * K);
  const scales = new Float32Array(N);
  for (let row = 0; row < N; row++) {
    let largest = 0;
    for (let index = row * K; index < (row + 1) * K; index++) largest = Math.max(largest, Math.abs(numbers[index] ?? 0));
    const scale = largest === 0 ? 1 : largest / largestCode;
    scales[row] = scale;
    for (let index = row * K; index < (row + 1) * K; index++) {
      const number = numbers[index] ?? 0;
      const code = Math.round(number / scale);
      codes[index] = code;
      sums.squares += number * number;
      sums.added += (number - code * scale) ** 2;
    }
  }
  sums.elements += N * K;
  const isOther = (name: string): boolean => name !== slot && !name.startsWith(`${slot}.`);
  const kept = <T>(entries: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(entries).filter(([name]) => isOther(name)));
  const tensors: Record<string, HostTensor> = {
    ...kept(parameter.tensors),
    [`${slot}.codes`]: hostTensor('int8', [N, K], codes),
    [`${slot}.scales`]: float32([N], scales),
  };
  const settings = { ...kept(parameter.settings), ...encodingSettings(slot, { scheme: 'int8', activations: 'dynamic', perChannel: true }) };
  return { ...parameter, settings, tensors };
}

/** The expected sum of squares of what rounding to the stored codes took away. */
function storedRounding(parameter: Parameter, slot: string, { scaledInputs }: GroupEncoding, elements: number): number {
  const scales = toNumbers(stored(parameter, `${slot}.scales`));
  let squares = 0;
  for (let group = 0; group < scales.length; group++) squares += (scales[group] ?? 0) ** 2;
  // Codes of scaled matrices stand for s·W: what they are off by is divided by s too.
  const inputScales = scaledInputs ? toNumbers(stored(parameter, `${slot}.inputScales`)) : Float32Array.of(1);
  let inverse = 0;
  for (let column = 0; column < inputScales.length; column++) inverse += 1 / (inputScales[column] ?? 1) ** 2;
  return (elements * (squares / scales.length) * (inverse / inputScales.length)) / 12;
}

function stored({ path, tensors }: Parameter, name: string): HostTensor {
  const tensor = tensors[name];
  invariant(tensor !== undefined, `${path} stores ${name}`);
  return tensor;
}
