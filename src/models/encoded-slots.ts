// Slots stored as packed codes: any float matrix of any parametrization can be held in 8, 4, 3 or 2 bits a number.
import { AppError, at, invariant } from '#base';
import type { Emitter, NBitsAttrs, PackedValues, Value } from '#graph';
import { float32, type HostTensor, packedBytes, printShape, sizeOf, toNumbers, transposeMatrix, unpackCodes } from '#tensor';
import type { ParameterDeclaration, ParameterSettings } from './model.ts';
import type { SlotSpec } from './parametrization.ts';

/**
 * How the numbers of one slot are held. They stand in the parameter's settings as `{slot}.bits` and so on, so that a slot without them is
 * stored as plain numbers.
 *
 * The slot's matrix is cut into rows along the axis that products sum over, rows into groups of `groupSize`, each with a 16-bit scale and,
 * unless symmetric, a zero point of `bits` bits: number = (code − zero point)·scale. Stored bytes: for n numbers n·bits/8 of codes, and per group
 * 2 of scale and bits/8 of zero point.
 */
export interface SlotEncoding {
  readonly bits: number;
  readonly groupSize: number;
  /** The zero point of all groups is 2^(bits-1), and is not stored. */
  readonly symmetric: boolean;
  /** The slot `inputScales` [K] divides what the matrix is multiplied by: codes stand for s·W. */
  readonly scaledInputs: boolean;
}

const encodingBits: readonly number[] = [8, 4, 3, 2];
/** Kernels want powers of two from 16 on. */
export const smallestGroup = 16;

type EncodedParameter = Pick<ParameterDeclaration, 'path' | 'settings'>;

/**
 * The encoding of a slot, or undefined where it holds plain numbers.
 *
 * @throws AppError `config_mismatch` for settings that no encoding has
 */
export function slotEncoding({ path, settings }: EncodedParameter, slot: string): SlotEncoding | undefined {
  const bits = settings[`${slot}.bits`];
  if (bits === undefined) return undefined;
  const groupSize = settings[`${slot}.groupSize`];
  const isGroup = typeof groupSize === 'number' && groupSize >= smallestGroup && Number.isInteger(Math.log2(groupSize));
  if (typeof bits !== 'number' || !encodingBits.includes(bits) || !isGroup)
    throw new AppError(
      'config_mismatch',
      `${path}, slot "${slot}": ${JSON.stringify(bits)} bits in groups of ${JSON.stringify(groupSize)}; known are ${encodingBits.join(', ')} bits and groups of a power of two from ${smallestGroup} on.`,
    );
  return { bits, groupSize, symmetric: settings[`${slot}.symmetric`] === true, scaledInputs: settings[`${slot}.scaledInputs`] === true };
}

/** The settings that `slotEncoding` reads. */
export function encodingSettings(slot: string, { bits, groupSize, symmetric, scaledInputs }: SlotEncoding): ParameterSettings {
  return {
    [`${slot}.bits`]: bits,
    [`${slot}.groupSize`]: groupSize,
    [`${slot}.symmetric`]: symmetric,
    ...(scaledInputs ? { [`${slot}.scaledInputs`]: true } : {}),
  };
}

/** Whether some slot of the parameter is held in codes. */
export function isEncoded({ settings }: { readonly settings: ParameterSettings }): boolean {
  return Object.keys(settings).some((key) => key.endsWith('.bits'));
}

/** The rows that a slot's matrix is cut into: [N, K] with K along the axis that products sum over. */
export interface CodeLayout {
  readonly rows: number;
  readonly columns: number;
  /** The rows are the matrix's columns. */
  readonly isTransposed: boolean;
}

/** Matrices by their `inputAxis`; slots of more axes row by row of their last. Vectors are never encoded: undefined. */
export function codeLayout({ shape, inputAxis }: SlotSpec): CodeLayout | undefined {
  if (shape.length < 2) return undefined;
  const last = at(shape, shape.length - 1);
  const rows = sizeOf(shape) / last;
  const isTransposed = shape.length === 2 && (inputAxis ?? 0) === 0;
  return isTransposed ? { rows: last, columns: rows, isTransposed } : { rows, columns: last, isTransposed };
}

/** The stored tensors of a parametrization's slots, with the encoded ones in pieces. @throws AppError `config_mismatch` */
export function encodedSlots(slots: Readonly<Record<string, SlotSpec>>, parameter: EncodedParameter): Readonly<Record<string, SlotSpec>> {
  const stored: Record<string, SlotSpec> = {};
  for (const [slot, spec] of Object.entries(slots)) {
    const encoding = slotEncoding(parameter, slot);
    if (encoding === undefined) stored[slot] = spec;
    else Object.assign(stored, pieces(`${parameter.path}, slot "${slot}"`, slot, spec, encoding));
  }
  return stored;
}

function pieces(
  place: string,
  slot: string,
  spec: SlotSpec,
  { bits, groupSize, symmetric, scaledInputs }: SlotEncoding,
): Record<string, SlotSpec> {
  const layout = codeLayout(spec);
  if (layout === undefined || spec.dtype !== 'float')
    throw new AppError('config_mismatch', `${place}: ${printShape(spec.shape)} is not a matrix of numbers and cannot be held in codes.`);
  const { rows, columns } = layout;
  const groups = Math.ceil(columns / groupSize);
  const fixed = (shape: readonly number[], dtype: SlotSpec['dtype']): SlotSpec => ({ shape, dtype, trains: false });
  return {
    [`${slot}.codes`]: fixed([rows, groups, (groupSize * bits) / 8], 'uint8'),
    [`${slot}.scales`]: fixed([rows, groups], 'float'),
    ...(symmetric ? {} : { [`${slot}.zeroPoints`]: fixed([rows, packedBytes(groups, bits)], 'uint8') }),
    ...(scaledInputs ? { [`${slot}.inputScales`]: fixed([columns], 'float') } : {}),
  };
}

/** The numbers of an encoded slot, float32 in the slot's own shape. */
export function decodeSlot(
  slot: string,
  spec: SlotSpec,
  { bits, groupSize, symmetric, scaledInputs }: SlotEncoding,
  stored: (name: string) => HostTensor,
): HostTensor<'float32'> {
  const layout = codeLayout(spec);
  invariant(layout !== undefined, `slot ${slot} has no rows`);
  const { rows, columns, isTransposed } = layout;
  const groups = Math.ceil(columns / groupSize);
  const codes = unpackCodes(toNumbers(stored(`${slot}.codes`)), groupSize, bits);
  const scales = toNumbers(stored(`${slot}.scales`));
  const zeros = symmetric ? undefined : unpackCodes(toNumbers(stored(`${slot}.zeroPoints`)), groups, bits);
  const inputScales = scaledInputs ? toNumbers(stored(`${slot}.inputScales`)) : undefined;
  const numbers = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const group = row * groups + Math.floor(column / groupSize);
      const steps = (codes[group * groupSize + (column % groupSize)] ?? 0) - (zeros?.[group] ?? 2 ** (bits - 1));
      numbers[row * columns + column] = (steps * (scales[group] ?? 0)) / (inputScales?.[column] ?? 1);
    }
  const matrix = float32([rows, columns], numbers);
  return isTransposed ? transposeMatrix(matrix) : float32(spec.shape, numbers);
}

/** One encoded slot inside a graph. */
export class EncodedValue {
  readonly #b: Emitter;
  readonly #slot: string;
  readonly #spec: SlotSpec;
  readonly #encoding: SlotEncoding;
  readonly #layout: CodeLayout;
  readonly #input: (name: string) => Value;

  /** @param input - the graph input of a stored tensor */
  constructor(b: Emitter, slot: string, spec: SlotSpec, encoding: SlotEncoding, input: (name: string) => Value) {
    const layout = codeLayout(spec);
    invariant(layout !== undefined, `slot ${slot} has no rows`);
    this.#b = b;
    this.#slot = slot;
    this.#spec = spec;
    this.#encoding = encoding;
    this.#layout = layout;
    this.#input = input;
  }

  /** All numbers, in the slot's own shape. */
  dense(): Value {
    const rows = this.#rows(); // [N, K]
    return this.#layout.isTransposed ? this.#b.transpose(rows, [1, 0]) : this.#b.reshape(rows, this.#spec.shape);
  }

  /** x [..., in] · S [in, out] */
  product(x: Value): Value {
    return this.#layout.isTransposed ? this.#productOfRows(x) : this.#b.matmul(x, this.#rows());
  }

  /** x [..., out] · Sᵀ */
  productTransposed(x: Value): Value {
    return this.#layout.isTransposed ? this.#b.matmul(x, this.#rows()) : this.#productOfRows(x);
  }

  /** Rows of S: int64 [...] -> [..., out]. Only the rows that are asked for are decoded. */
  rows(ids: Value): Value {
    if (this.#layout.isTransposed) return this.#b.gather(this.dense(), ids);
    const { codes, scales, zeroPoints } = this.#packed();
    const gathered = {
      codes: this.#b.gather(codes, ids),
      scales: this.#b.gather(scales, ids),
      zeroPoints: zeroPoints === undefined ? undefined : this.#b.gather(zeroPoints, ids),
    };
    return this.#unscaled(this.#b.dequantizeNBits(gathered, this.#attrs));
  }

  get #attrs(): NBitsAttrs {
    return { bits: this.#encoding.bits, groupSize: this.#encoding.groupSize, size: this.#layout.columns };
  }

  #packed(): PackedValues {
    return {
      codes: this.#input(`${this.#slot}.codes`),
      scales: this.#input(`${this.#slot}.scales`),
      zeroPoints: this.#encoding.symmetric ? undefined : this.#input(`${this.#slot}.zeroPoints`),
    };
  }

  /** Divides the last axis [K] by the scales that the codes were made with. */
  #unscaled(x: Value): Value {
    return this.#encoding.scaledInputs ? this.#b.div(x, this.#input(`${this.#slot}.inputScales`)) : x;
  }

  #rows(): Value {
    return this.#unscaled(this.#b.dequantizeNBits(this.#packed(), this.#attrs));
  }

  #productOfRows(x: Value): Value {
    return this.#b.matmulNBits(this.#unscaled(x), this.#packed(), this.#attrs);
  }
}
