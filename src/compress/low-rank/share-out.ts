// Shares out bytes over matrices so that the sum of their losses is smallest.
import { at } from '#base';
import { componentBytes, type RankCase } from './ranks.ts';

/** What a matrix loses at some of the ranks that it may get. */
export interface LossCurve extends RankCase {
  /** In ascending order of rank, at least one. */
  readonly points: readonly LossPoint[];
}

export interface LossPoint {
  readonly rank: number;
  /** In a unit that all matrices share. */
  readonly loss: number;
}

interface Corner extends LossPoint {
  readonly bytes: number;
}

/** From one corner of a matrix's curve to the next. */
interface Segment {
  readonly index: number;
  readonly from: Corner;
  readonly to: Corner;
  readonly savedPerByte: number;
}

/**
 * Starts with the smallest rank of every matrix and takes the segments of the curves' lower convex hulls in the order of the loss that a byte
 * saves: optimal up to the last segment that fits. Ranks between two points are taken where a segment fits in part.
 *
 * @returns one rank a matrix, in order
 */
export function shareOut(curves: readonly LossCurve[], budgetBytes: number): number[] {
  const hulls = curves.map(lowerHull);
  const ranks = hulls.map((hull) => at(hull, 0).rank);
  const isClosed = hulls.map(() => false);
  let left = budgetBytes - hulls.reduce((sum, hull) => sum + at(hull, 0).bytes, 0);
  for (const { index, from, to } of hulls.flatMap(segmentsOf).sort(bySavings)) {
    if (isClosed[index] === true) continue;
    const bytes = componentBytes(at(curves, index));
    const room = Math.min(to.rank - from.rank, Math.floor(Math.max(0, left) / bytes));
    ranks[index] = from.rank + room;
    left -= room * bytes;
    isClosed[index] = ranks[index] < to.rank;
  }
  return ranks;
}

/** Segments of one hull, in their order. */
function segmentsOf(hull: readonly Corner[], index: number): Segment[] {
  return hull.slice(1).map((to, order): Segment => {
    const from = at(hull, order);
    return { index, from, to, savedPerByte: slope(from, to) };
  });
}

/** Savings fall along a hull, so that its segments come in their order. */
function bySavings(first: Segment, second: Segment): number {
  return second.savedPerByte - first.savedPerByte || first.from.bytes - second.from.bytes || first.index - second.index;
}

/** Corners at which the curve bends upwards, so that savings a byte only fall; a corner that does not lower the loss is left out. */
function lowerHull(curve: LossCurve): Corner[] {
  const bytesOf = componentBytes(curve);
  const hull: Corner[] = [];
  for (const { rank, loss } of curve.points) {
    const corner = { rank, loss, bytes: rank * bytesOf };
    const last = hull.at(-1);
    if (last !== undefined && (corner.bytes <= last.bytes || corner.loss >= last.loss)) continue;
    while (hull.length >= 2 && slope(at(hull, hull.length - 2), at(hull, hull.length - 1)) <= slope(at(hull, hull.length - 2), corner))
      hull.pop();
    hull.push(corner);
  }
  return hull;
}

/** Loss saved a byte. */
function slope(from: Corner, to: Corner): number {
  return (from.loss - to.loss) / (to.bytes - from.bytes);
}
