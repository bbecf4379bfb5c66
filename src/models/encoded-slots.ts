// Slots stored as codes: any float matrix of any parametrization can be held in 8, 4, 3, 2 or 1 bits a number.
import { AppError, at, invariant } from '#base';
import { float32, type HostTensor, packedBytes, printShape, sizeOf, toNumbers, transposeMatrix, unpackCodes } from '#tensor';
import type { ParameterDeclaration, ParameterSettings } from './model.ts';
import type { SlotSpec } from './parametrization.ts';

/**
 * How the numbers of one slot are held. It stands in the parameter's settings as `{slot}.bits` and so on, so that a slot without them is stored as
 * plain numbers.
 */
export type SlotEncoding = GroupEncoding | Int8Encoding;

/**
 * The slot's matrix is cut into rows along the axis that products sum over, rows into groups of `groupSize`, each with a 16-bit scale and,
 * unless symmetric, a zero point of `bits` bits: number = (code − zero point)·scale. Stored bytes: for n numbers n·bits/8 of codes, and per group
 * 2 of scale and bits/8 of zero point.
 */
export interface GroupEncoding {
  /** `ternary`: codes 0, 1, 2 in 2 bits stand for −1, 0, 1. `binary`: codes 0, 1 in 1 bit stand for −½, ½. Both are symmetric. */
  readonly scheme: 'integer' | 'ternary' | 'binary';
  readonly bits: number;
  readonly groupSize: number;
  /** The zero point of all groups is that of `sharedZero`, and is not stored. */
  readonly symmetric: boolean;
  /** The slot `inputScales` [K] divides what the matrix is multiplied by: codes stand for s·W. */
  readonly scaledInputs: boolean;
  /** What the matrix is multiplied by is rounded to 8 bits row by row first (`roundTokens`), as it was while the codes were trained. @default false */
  readonly roundsTokens?: boolean;
}

/**
 * Signed bytes with one scale a row, or one for all, and products in integers: what the matrix is multiplied by is rounded to 8 bits too, to the
 * range of each batch (`dynamic`) or to one that calibration chose (`static`, in `inputScale` and `inputZeroPoint`, [1] each).
 */
export interface Int8Encoding {
  readonly scheme: 'int8';
  readonly activations: 'dynamic' | 'static';
  readonly perChannel: boolean;
}

const integerBits: readonly number[] = [8, 4, 3, 2];
const schemeBits = { ternary: 2, binary: 1 } as const;
/** Kernels want powers of two from 16 on. */
export const smallestGroup = 16;

/** The zero point of groups that store none. */
export function sharedZero({ scheme, bits }: Pick<GroupEncoding, 'scheme' | 'bits'>): number {
  return scheme === 'integer' ? 2 ** (bits - 1) : scheme === 'ternary' ? 1 : 0.5;
}

type EncodedParameter = Pick<ParameterDeclaration, 'path' | 'settings'>;

/**
 * The encoding of a slot, or undefined where it holds plain numbers.
 *
 * @throws AppError `config_mismatch` for settings that no encoding has
 */
export function slotEncoding({ path, settings }: EncodedParameter, slot: string): SlotEncoding | undefined {
  const bits = settings[`${slot}.bits`];
  if (bits === undefined) return undefined;
  const fail = (what: string): AppError => new AppError('config_mismatch', `${path}, slot "${slot}": ${what}.`);
  const activations = settings[`${slot}.activations`];
  const roundsTokens = activations === 'token';
  if (activations !== undefined && !roundsTokens) {
    if (bits === 8 && (activations === 'dynamic' || activations === 'static'))
      return { scheme: 'int8', activations, perChannel: settings[`${slot}.perChannel`] === true };
    throw fail(
      `${JSON.stringify(activations)} activations with weights of ${JSON.stringify(bits)} bits; known are token, and dynamic and static with 8 bits`,
    );
  }
  const scheme = settings[`${slot}.scheme`] ?? 'integer';
  if (scheme !== 'integer' && scheme !== 'ternary' && scheme !== 'binary')
    throw fail(`unknown scheme ${JSON.stringify(scheme)}; known are integer, ternary and binary`);
  const known = scheme === 'integer' ? integerBits : [schemeBits[scheme]];
  const groupSize = settings[`${slot}.groupSize`];
  const isGroup = typeof groupSize === 'number' && groupSize >= smallestGroup && Number.isInteger(Math.log2(groupSize));
  if (typeof bits !== 'number' || !known.includes(bits) || !isGroup)
    throw fail(
      `${JSON.stringify(bits)} bits in groups of ${JSON.stringify(groupSize)}; known are ${known.join(', ')} bits and groups of a power of two from ${smallestGroup} on`,
    );
  const symmetric = scheme !== 'integer' || settings[`${slot}.symmetric`] === true;
  const scaledInputs = settings[`${slot}.scaledInputs`] === true;
  return { scheme, bits, groupSize, symmetric, scaledInputs, ...(roundsTokens ? { roundsTokens } : {}) };
}

/** The settings that `slotEncoding` reads. */
export function encodingSettings(slot: string, encoding: SlotEncoding): ParameterSettings {
  if (encoding.scheme === 'int8')
    return { [`${slot}.bits`]: 8, [`${slot}.activations`]: encoding.activations, [`${slot}.perChannel`]: encoding.perChannel };
  const { scheme, bits, groupSize, symmetric, scaledInputs, roundsTokens = false } = encoding;
  return {
    [`${slot}.bits`]: bits,
    ...(scheme === 'integer' ? { [`${slot}.symmetric`]: symmetric } : { [`${slot}.scheme`]: scheme }),
    [`${slot}.groupSize`]: groupSize,
    ...(scaledInputs ? { [`${slot}.scaledInputs`]: true } : {}),
    ...(roundsTokens ? { [`${slot}.activations`]: 'token' } : {}),
  };
}

/** Whether some slot of the parameter is held in codes. */
export function isEncoded({ settings }: { readonly settings: ParameterSettings }): boolean {
  return Object.keys(settings).some((key) => key.endsWith('.bits'));
}

/** Whether what some slot of the parameter is multiplied by is rounded too. */
export function roundsInputs({ settings }: { readonly settings: ParameterSettings }): boolean {
  return Object.keys(settings).some((key) => key.endsWith('.activations'));
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

function pieces(place: string, slot: string, spec: SlotSpec, encoding: SlotEncoding): Record<string, SlotSpec> {
  const layout = codeLayout(spec);
  if (layout === undefined || spec.dtype !== 'float')
    throw new AppError('config_mismatch', `${place}: ${printShape(spec.shape)} is not a matrix of numbers and cannot be held in codes.`);
  const { rows, columns } = layout;
  const fixed = (shape: readonly number[], dtype: SlotSpec['dtype']): SlotSpec => ({ shape, dtype, trains: false });
  if (encoding.scheme === 'int8')
    return {
      [`${slot}.codes`]: fixed([rows, columns], 'int8'),
      [`${slot}.scales`]: fixed([encoding.perChannel ? rows : 1], 'float'),
      ...(encoding.activations === 'dynamic'
        ? {}
        : { [`${slot}.inputScale`]: fixed([1], 'float'), [`${slot}.inputZeroPoint`]: fixed([1], 'uint8') }),
    };
  const { bits, groupSize, symmetric, scaledInputs } = encoding;
  const groups = Math.ceil(columns / groupSize);
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
  encoding: SlotEncoding,
  stored: (name: string) => HostTensor,
): HostTensor<'float32'> {
  const layout = codeLayout(spec);
  invariant(layout !== undefined, `slot ${slot} has no rows`);
  const numbers = (name: string): ArrayLike<number> => toNumbers(stored(`${slot}.${name}`));
  const decoded = encoding.scheme === 'int8' ? decodeBytes(layout, numbers) : decodeGroups(layout, encoding, numbers);
  const matrix = float32([layout.rows, layout.columns], decoded);
  return layout.isTransposed ? transposeMatrix(matrix) : float32(spec.shape, decoded);
}

function decodeBytes({ rows, columns }: CodeLayout, numbers: (name: string) => ArrayLike<number>): Float32Array {
  const [codes, scales] = [numbers('codes'), numbers('scales')];
  const decoded = new Float32Array(rows * columns);
  for (let index = 0; index < decoded.length; index++)
    decoded[index] = (codes[index] ?? 0) * (scales[scales.length === 1 ? 0 : Math.floor(index / columns)] ?? 0);
  return decoded;
}

function decodeGroups({ rows, columns }: CodeLayout, encoding: GroupEncoding, numbers: (name: string) => ArrayLike<number>): Float32Array {
  const { bits, groupSize, symmetric, scaledInputs } = encoding;
  const groups = Math.ceil(columns / groupSize);
  const codes = unpackCodes(numbers('codes'), groupSize, bits);
  const scales = numbers('scales');
  const zeros = symmetric ? undefined : unpackCodes(numbers('zeroPoints'), groups, bits);
  const inputScales = scaledInputs ? numbers('inputScales') : undefined;
  const zero = sharedZero(encoding);
  const decoded = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const group = row * groups + Math.floor(column / groupSize);
      const steps = (codes[group * groupSize + (column % groupSize)] ?? 0) - (zeros?.[group] ?? zero);
      decoded[row * columns + column] = (steps * (scales[group] ?? 0)) / (inputScales?.[column] ?? 1);
    }
  return decoded;
}
