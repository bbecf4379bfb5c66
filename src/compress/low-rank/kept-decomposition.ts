// A decomposition as it is kept for a resumed step: ranks that follow from all matrices need all of them again.
import { at, invariant } from '#base';
import { hostTensor } from '#tensor';
import type { FinishedLayer } from '../method.ts';
import type { Solved, Target } from './target.ts';

/** Under which a decomposition is kept; not the path of a parameter. */
export const partKey = ({ spec }: Target): string => `decomposition of ${spec.path}`;

export function partOf({ target, factors, squares, energy, floor, inputEnergies }: Solved): FinishedLayer {
  const { rows, columns, bytesBefore, parameter } = target;
  const { path, kind } = parameter;
  const { rank, left, right } = factors;
  const tensors = {
    left: hostTensor('float64', [rows, rank], left),
    right: hostTensor('float64', [rank, columns], right),
    squares: hostTensor('float64', [squares.length], squares),
    ...(inputEnergies === undefined ? {} : { inputEnergies: hostTensor('float64', [inputEnergies.length], inputEnergies) }),
  };
  const settings = { rank, energy, ...(floor === undefined ? {} : { floor }) };
  const layer = { path, kindBefore: kind, kindAfter: kind, bytesBefore, bytesAfter: bytesBefore, weightError: 0 };
  return { layer, parameters: [{ path, kind: 'decomposition', settings, tensors }] };
}

export function solvedFrom(target: Target, { parameters }: FinishedLayer): Solved {
  const { settings, tensors } = at(parameters, 0);
  const numbers = (slot: string): Float64Array => {
    const data = tensors[slot]?.data;
    invariant(data instanceof Float64Array, `a kept decomposition of ${target.spec.path} holds ${slot}`);
    return data;
  };
  const { rank, energy, floor } = settings;
  invariant(typeof rank === 'number' && typeof energy === 'number', 'a kept decomposition says its rank and energy');
  const factors = { rank, left: numbers('left'), right: numbers('right') };
  const energies = tensors['inputEnergies'] === undefined ? {} : { inputEnergies: numbers('inputEnergies') };
  return { target, factors, squares: numbers('squares'), energy, floor: typeof floor === 'number' ? floor : undefined, ...energies };
}
