// Slots of a parameter as the matrices that methods work on, and the order in which a layer multiplies by them.
import { type CodeLayout, keptCount, type Parameter, sparsePieces } from '#models';
import { castTensor, float32, type HostTensor, tensorBytes, transposeMatrix } from '#tensor';

/** Kinds that multiply by their slots one after the other, y = x·S₁·S₂: the inputs of each slot are known from those of the layer. */
export const slotChains: Readonly<Record<string, readonly string[]>> = { dense: ['value'], lowRank: ['left', 'right'] };

/** The numbers of a slot, row by row as its codes are grouped: [N, K]. */
export function slotRows(slot: HostTensor, { rows, columns, isTransposed }: CodeLayout): Float32Array {
  const wide = castTensor(slot, 'float32');
  return isTransposed ? transposeMatrix(wide).data : float32([rows, columns], wide.data).data;
}

/** [N, K] -> [K, N] in float64, as products over inputs want it. */
export function byInput(rows: Float32Array, { rows: N, columns: K }: Pick<CodeLayout, 'rows' | 'columns'>): Float64Array {
  return new Float64Array(transposeMatrix(float32([N, K], rows)).data);
}

/** Sum of the bytes of a parameter's tensors. */
export function bytesOf(tensors: Readonly<Record<string, HostTensor>>): number {
  return Object.values(tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

/** Keys of the tensors that a slot of numbers is stored in: its own, or its two pieces where it is sparse. */
function slotKeys(parameter: Parameter, slot: string): readonly string[] {
  return keptCount(parameter, slot) === undefined ? [slot] : Object.values(sparsePieces(slot));
}

/** Bytes that a slot of numbers is stored in. */
export function slotBytes(parameter: Parameter, slot: string): number {
  const keys = new Set(slotKeys(parameter, slot));
  return bytesOf(Object.fromEntries(Object.entries(parameter.tensors).filter(([key]) => keys.has(key))));
}

/** The parameter with a slot of numbers stored by other tensors and settings; the slot's former ones are gone. */
export function withSlot(parameter: Parameter, slot: string, { settings, tensors }: Pick<Parameter, 'settings' | 'tensors'>): Parameter {
  const former = new Set(slotKeys(parameter, slot));
  const others = <T>(entries: Readonly<Record<string, T>>, drops: (key: string) => boolean): Record<string, T> =>
    Object.fromEntries(Object.entries(entries).filter(([key]) => !drops(key)));
  return {
    ...parameter,
    settings: { ...others(parameter.settings, (key) => key.startsWith(`${slot}.`)), ...settings },
    tensors: { ...others(parameter.tensors, (key) => former.has(key)), ...tensors },
  };
}
