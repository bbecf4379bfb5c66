// Which heads, neurons and channels of a model its side network begins with: those whose weights the loss minds most.
import { at, invariant } from '#base';
import type { UnitAxis, UnitPart, UnitSide } from '#models';

/** (∂L/∂W)² of one matrix, summed over samples, [rows, columns]. */
export interface Squares {
  readonly rows: number;
  readonly columns: number;
  readonly squares: ArrayLike<number>;
}

/**
 * One number a unit of an axis inside a block: the importances of matrices that belong together (queries, keys, values and the output; both sides of the
 * feed-forward part) multiplied element by element, the ones that read transposed, and summed over the unit.
 *
 * Each matrix's are divided by their mean first, which changes no order. Where heads share keys and values, theirs are summed over the queries of a group.
 *
 * @see Sung et al., NeurIPS 2022, §3.3 and its code: Σ (F_q ∘ F_k ∘ F_v ∘ F_oᵀ)
 */
export function linkedImportance({ size, sides }: UnitAxis, squaresOf: (path: string) => Squares | undefined): Float64Array {
  const factors = sides.flatMap((side) => {
    const squares = side.use === 'along' ? undefined : squaresOf(side.path);
    return squares === undefined ? [] : side.parts.map((part) => ({ side, part, squares, scale: 1 / meanOf(squares) }));
  });
  const unitWidth = Math.min(...factors.map(({ part }) => part.width));
  const [first] = factors;
  invariant(first !== undefined, 'an axis runs through matrices');
  const length = acrossOf(first.side, first.squares);
  return Float64Array.from({ length: size }, (_, unit) => {
    let sum = 0;
    for (let across = 0; across < length; across++)
      for (let index = 0; index < unitWidth; index++)
        sum += factors.reduce(
          (product, { side, part, squares, scale }) => product * scale * groupSum(side, part, squares, { unit, across, index, unitWidth }),
          1,
        );
    return sum;
  });
}

/** One number a channel of the residual stream: everything that writes or reads it inside the blocks, summed. */
export function channelImportance({ size, sides }: UnitAxis, squaresOf: (path: string) => Squares | undefined): Float64Array {
  const sums = new Float64Array(size);
  for (const side of sides) {
    const squares = side.use === 'made' || side.use === 'read' ? squaresOf(side.path) : undefined;
    if (squares === undefined) continue;
    const length = acrossOf(side, squares);
    for (let channel = 0; channel < size; channel++)
      for (let across = 0; across < length; across++) sums[channel] = at(sums, channel) + squareAt(side, squares, across, channel);
  }
  return sums;
}

/** The largest ones, ascending; of equals the first. */
export function largest(scores: Float64Array, count: number): number[] {
  return Array.from(scores.keys())
    .sort((left, right) => at(scores, right) - at(scores, left) || left - right)
    .slice(0, count)
    .sort((left, right) => left - right);
}

/** The size of the side that the units do not lie along. */
function acrossOf(side: UnitSide, { rows, columns }: Squares): number {
  return side.use === 'read' ? columns : rows;
}

function squareAt(side: UnitSide, { columns, squares }: Squares, across: number, along: number): number {
  return Number(squares[side.use === 'read' ? along * columns + across : across * columns + along] ?? 0);
}

function groupSum(
  side: UnitSide,
  { offset, width }: UnitPart,
  squares: Squares,
  place: { readonly unit: number; readonly across: number; readonly index: number; readonly unitWidth: number },
): number {
  let sum = 0;
  for (let along = place.index; along < width; along += place.unitWidth)
    sum += squareAt(side, squares, place.across, offset + place.unit * width + along);
  return sum;
}

function meanOf({ squares }: Squares): number {
  let sum = 0;
  for (let index = 0; index < squares.length; index++) sum += Number(squares[index]);
  return sum === 0 ? 1 : sum / squares.length;
}
