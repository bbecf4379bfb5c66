// Factors with fewer terms, and what goes with them: gates, and the optimizer's state in a checkpoint.
import { at } from '#base';
import { castTensor, float32, type HostTensor, selectAlong } from '#tensor';
import type { Factors } from './gated-model.ts';

/** diag(z)·right for a right factor [R, n]: what gates weigh. */
export function foldGates(right: HostTensor, multipliers: ArrayLike<number>): HostTensor<'float32'> {
  const wide = castTensor(right, 'float32');
  const columns = at(wide.shape, 1);
  return float32(
    wide.shape,
    wide.data.map((value, index) => value * (multipliers[Math.floor(index / columns)] ?? 0)),
  );
}

/**
 * What hard gates leave of two factors: the terms whose multiplier is not zero, with the multipliers in the right factor.
 *
 * A stored matrix has at least rank 1, so that without any term it is one of zeros, and the layer answers its bias alone.
 *
 * @param multipliers - one a term
 */
export function compiledFactors({ left, right }: Factors, multipliers: ArrayLike<number>): Factors {
  const open = Array.from(multipliers).flatMap((multiplier, index) => (multiplier === 0 ? [] : [index]));
  const kept = open.length === 0 ? [0] : open;
  return { left: selectAlong(left, 1, kept), right: selectAlong(foldGates(right, multipliers), 0, kept) };
}

/** Which indices of which axis of a tensor stay. */
export interface Slicing {
  readonly axis: 0 | 1;
  readonly kept: readonly number[];
}

/**
 * The tensors of a checkpoint with those sliced that `slicings` names; the optimizer's state of a tensor (`slot:name`) goes the same way.
 *
 * Tensors that `slicings` does not name stay.
 */
export function sliceTensors(
  tensors: ReadonlyMap<string, HostTensor>,
  slicings: ReadonlyMap<string, Slicing>,
): ReadonlyMap<string, HostTensor> {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const slicing = slicings.get(name) ?? slicings.get(name.slice(name.indexOf(':') + 1));
      return [name, slicing === undefined ? tensor : selectAlong(tensor, slicing.axis, slicing.kept)] as const;
    }),
  );
}
