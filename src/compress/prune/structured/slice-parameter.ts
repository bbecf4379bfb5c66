// A stored parameter without some of its rows or columns, in whatever form it is stored.
import { AppError, invariant } from '#base';
import { denseParameter, isEncoded, keptCount, type Parameter, type ParameterSpec, parametrizationOf } from '#models';
import { castTensor, type HostTensor, selectAlong, sizeOf, spreadAlong } from '#tensor';

/** Forms that can be sliced, and the slot that holds each axis of the matrix. */
const axisSlots: Readonly<Record<string, readonly [string, string]>> = { dense: ['value', 'value'], lowRank: ['left', 'right'] };

/**
 * Checks that a parameter can be sliced.
 *
 * @throws AppError `already_quantized` for codes, `cannot_slice` for forms whose rows and columns are not stored one by one,
 * and for sparse ones
 */
export function requireSliceable(parameter: Parameter): void {
  const { path, kind } = parameter;
  if (isEncoded(parameter))
    throw new AppError('already_quantized', `${path} (${kind}) is quantized already. Prune structures before the step that quantizes.`, {
      details: { path },
    });
  const slots = axisSlots[kind];
  const sparse = slots?.find((slot) => keptCount(parameter, slot) !== undefined);
  if (sparse !== undefined)
    throw new AppError(
      'cannot_slice',
      `${path} is stored sparsely, by a bitmap of what is not zero. Prune structures before the step that prunes single weights.`,
      { details: { path, slot: sparse } },
    );
  if (slots !== undefined) return;
  throw new AppError(
    'cannot_slice',
    `${path} is stored as ${kind}, which has no rows and columns of its own to remove. Prune structures before that step.`,
    { details: { path, kind } },
  );
}

/** The stored tensor whose axis 0 is the matrix's inputs: what least squares refits. */
export function inputSlot({ kind }: Parameter): string {
  const slots = axisSlots[kind];
  invariant(slots !== undefined, `${kind} cannot be sliced`);
  return slots[0];
}

/** The stored tensor of one slot. */
export function slotTensor({ path, tensors }: Parameter, slot: string): HostTensor {
  const tensor = tensors[slot];
  invariant(tensor !== undefined, `${path} has no stored tensor ${slot}`);
  return tensor;
}

/** The indices of one axis that stay, in their order. Factors lose them on their outer side. */
export function sliceParameter(parameter: Parameter, axis: 0 | 1, indices: ArrayLike<number>): Parameter {
  const slot = axisSlots[parameter.kind]?.[axis];
  invariant(slot !== undefined, `${parameter.path}: ${parameter.kind} cannot be sliced`);
  return { ...parameter, tensors: { ...parameter.tensors, [slot]: selectAlong(slotTensor(parameter, slot), axis, indices) } };
}

/** Factors that are no smaller than their product, once their outer sides have shrunk, as the dense product; others as they are. */
export function smallestForm(parameter: Parameter, spec: ParameterSpec): Parameter {
  const stored = Object.values(parameter.tensors).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (parameter.kind === 'dense' || stored < sizeOf(spec.shape)) return parameter;
  const [first] = Object.values(parameter.tensors);
  invariant(first !== undefined, `${parameter.path} stores nothing`);
  return denseParameter(parameter.path, castTensor(denseOf(parameter, spec), first.dtype));
}

/** The dense matrix of a sliced parameter. */
export function denseOf(parameter: Parameter, spec: ParameterSpec): HostTensor<'float32'> {
  const slot = (name: string): HostTensor => slotTensor(parameter, name);
  const other = (path: string): HostTensor<'float32'> => {
    invariant(false, `${parameter.path} refers to ${path}, but forms that can be sliced refer to no other parameter`);
  };
  return parametrizationOf(parameter).materialize({ spec, settings: parameter.settings, slot, other });
}

/** ‖W − W'‖² and ‖W‖², W' standing at the indices of `axes` of W that stayed. */
export function sliceLoss(
  before: HostTensor<'float32'>,
  after: HostTensor<'float32'>,
  axes: readonly (0 | 1)[],
  indices: ArrayLike<number>,
): { readonly lost: number; readonly total: number; readonly difference: Float64Array } {
  const spread = axes.reduce((tensor, axis) => spreadAlong(tensor, axis, indices, before.shape[axis] ?? 1), after);
  const difference = Float64Array.from(before.data, (value, index) => value - (spread.data[index] ?? 0));
  return { lost: energy(difference), total: energy(before.data), difference };
}

function energy(numbers: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of numbers) sum += value * value;
  return sum;
}
