// Factors with fewer terms, and what goes with them: gates, and the optimizer's state in a checkpoint.
import { at } from '#base';
import { castTensor, float32, type HostTensor, selectAlong } from '#tensor';
import type { Factors } from './gated-model.ts';

/** The terms of two factors that stay. */
export function sliceFactors({ left, right }: Factors, kept: readonly number[]): Factors {
  return { left: selectAlong(left, 1, kept), right: selectAlong(right, 0, kept) };
}

/** left·diag(z)·right as two factors: multipliers go into the rows of the right one. */
export function foldGates({ left, right }: Factors, multipliers: ArrayLike<number>): Factors {
  const wide = castTensor(right, 'float32');
  const columns = at(wide.shape, 1);
  const folded = wide.data.map((value, index) => value * (multipliers[Math.floor(index / columns)] ?? 0));
  return { left, right: float32(wide.shape, folded) };
}

/**
 * What hard gates leave: the terms whose multiplier is not zero, with the multipliers in the right factor.
 *
 * A stored matrix has at least rank 1, so that without any term it is one of zeros, and the layer answers its bias alone.
 *
 * @param multipliers - one a term
 */
export function compiledFactors(factors: Factors, multipliers: ArrayLike<number>): Factors {
  const kept = Array.from(multipliers).flatMap((multiplier, index) => (multiplier === 0 ? [] : [index]));
  const folded = foldGates(factors, multipliers);
  return sliceFactors(folded, kept.length === 0 ? [0] : kept);
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
