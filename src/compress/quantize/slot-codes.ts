// Codes of one matrix slot in groups: by rounding and by GPTQ, decoded, and as they are stored.
import { runCooperatively, type Steps } from '#linalg';
import { type CodeLayout, encodingSettings, type GroupEncoding, type ParameterSettings } from '#models';
import { floatToHalf, type HostTensor, hostTensor, transposeMatrix } from '#tensor';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { dropDeadInputs } from '../decomposition/input-factor.ts';
import type { LayerInputs } from '../decomposition/layer-inputs.ts';
import { byInput } from '../decomposition/slot-matrices.ts';
import { gptqCodes } from './gptq.ts';
import { decodeCodes, type Grid, type GridShape, makeGrid, nearestCodes, packGrid } from './grid.ts';

export interface CodeSettings {
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly scheme?: GroupEncoding['scheme'];
}

/** Codes on their grid; `inputScales` [K] were multiplied into the weights before. */
export interface Coded {
  readonly grid: Grid;
  /** [N, groups·groupSize] */
  readonly codes: Uint8Array;
  readonly inputScales?: Float32Array;
}

/** Rows that are rounded between two pauses. */
const numbersBetweenPauses = 1 << 18;

/** Rounds every number of [rows, columns] to its nearest. */
export function* roundToNearest(numbers: Float32Array, shape: GridShape): Steps<Coded> {
  const { rows, columns, groupSize } = shape;
  const groups = Math.ceil(columns / groupSize);
  const scales = new Float32Array(rows * groups);
  const zeroPoints = new Uint8Array(rows * groups);
  const codes = new Uint8Array(rows * groups * groupSize);
  const rowsPerPiece = Math.max(1, Math.floor(numbersBetweenPauses / columns));
  for (let first = 0; first < rows; first += rowsPerPiece) {
    const numRows = Math.min(rowsPerPiece, rows - first);
    const piece = numbers.subarray(first * columns, (first + numRows) * columns);
    const grid = makeGrid(piece, { ...shape, rows: numRows });
    scales.set(grid.scales, first * groups);
    zeroPoints.set(grid.zeroPoints, first * groups);
    codes.set(nearestCodes(piece, grid), first * groups * groupSize);
    yield;
  }
  return { grid: { ...shape, groups, scales, zeroPoints }, codes };
}

/** The numbers that codes stand for, [N, K], input scales taken off. */
export function decoded({ grid, codes, inputScales }: Coded): Float32Array {
  const numbers = decodeCodes(codes, grid);
  if (inputScales !== undefined)
    for (let index = 0; index < numbers.length; index++) numbers[index] = (numbers[index] ?? 0) / (inputScales[index % grid.columns] ?? 1);
  return numbers;
}

/** ‖X·(W − W')‖² over the calibration inputs. */
export async function lostEnergy(inputs: LayerInputs, rows: Float32Array, coded: Coded): Promise<number> {
  const kept = decoded(coded);
  return await inputs.outputEnergy(
    byInput(
      rows.map((value, index) => value - (kept[index] ?? 0)),
      coded.grid,
    ),
  );
}

/**
 * GPTQ, or rounding to nearest where that happens to lose less: never worse on the calibration inputs.
 *
 * @param rows - the weight, [N, K]
 * @param keeps - one flag (0 or 1) a weight, [K, N]: those without are zero and stay zero
 */
export async function codeByGptq(
  matrices: EngineMatrices,
  rows: Float32Array,
  shape: GridShape,
  inputs: LayerInputs,
  keeps?: Uint8Array,
): Promise<Coded> {
  const nearest = await runCooperatively(roundToNearest(rows, shape), matrices.signal);
  const factor = await inputs.factor();
  const weight = byInput(rows, shape);
  dropDeadInputs(weight, factor);
  const alive = transposeMatrix(hostTensor('float64', [shape.columns, shape.rows], weight)).data;
  const grid = makeGrid(alive, shape);
  const chosen = { grid, codes: await gptqCodes(matrices, weight, factor, grid, keeps) };
  return (await lostEnergy(inputs, rows, chosen)) <= (await lostEnergy(inputs, rows, nearest)) ? chosen : nearest;
}

/** What replaces a slot of plain numbers. */
export interface EncodedSlot {
  readonly settings: ParameterSettings;
  readonly tensors: Readonly<Record<string, HostTensor>>;
}

/** The tensors and settings with which a slot is stored in codes. */
export function encodedSlot(slot: string, { grid, codes, inputScales }: Coded): EncodedSlot {
  const { scheme = 'integer', bits, groupSize, symmetric } = grid;
  const pieces = Object.entries(packGrid(codes, grid)).map(([piece, tensor]) => [`${slot}.${piece}`, tensor] as const);
  if (inputScales !== undefined)
    pieces.push([`${slot}.inputScales`, hostTensor('float16', [inputScales.length], floatToHalf(inputScales))]);
  const settings = encodingSettings(slot, { scheme, bits, groupSize, symmetric, scaledInputs: inputScales !== undefined });
  return { settings, tensors: Object.fromEntries(pieces) };
}

/** Bytes of a slot in codes, without input scales. */
export function encodedBytes({ rows, columns }: CodeLayout, { bits, groupSize, symmetric }: CodeSettings): number {
  const groups = Math.ceil(columns / groupSize);
  const zeroPoints = symmetric ? 0 : Math.ceil((groups * bits) / 8);
  return rows * (groups * ((groupSize * bits) / 8 + 2) + zeroPoints);
}
