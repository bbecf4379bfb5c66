// Shares out bytes over matrices so that the sum of their losses is smallest.
import { at } from '#base';
import { componentBytes, type RankCase } from './ranks.ts';

/** What a matrix loses at some of the ranks that it may get. */
export interface LossCurve extends RankCase {
  /** In ascending order of rank, at least one. As it is stored now, the matrix loses nothing. */
  readonly points: readonly LossPoint[];
}

export interface LossPoint {
  readonly rank: number;
  /** In a unit that all matrices share. */
  readonly loss: number;
}

/** A point of a curve with its bytes; the last of each curve is the matrix as it is, without a rank. */
interface Corner {
  readonly rank: number | undefined;
  readonly bytes: number;
  readonly loss: number;
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
 * Matrices that stay as they are cannot be taken in part, so what comes out is compared with the best choice in which all are factorized.
 *
 * @returns one rank a matrix, in order; undefined for one that stays as it is
 */
export function shareOut(curves: readonly LossCurve[], budgetBytes: number): (number | undefined)[] {
  const [mixed, factorized] = [plan(curves, budgetBytes, true), plan(curves, budgetBytes, false)];
  const best = totalLoss(mixed) <= totalLoss(factorized) ? mixed : factorized;
  return best.map(({ rank }) => rank);
}

function totalLoss(corners: readonly Corner[]): number {
  return corners.reduce((sum, { loss }) => sum + loss, 0);
}

function plan(curves: readonly LossCurve[], budgetBytes: number, mayStay: boolean): Corner[] {
  const hulls = curves.map((curve) => lowerHull(cornersOf(curve, mayStay)));
  const chosen = hulls.map((hull) => at(hull, 0));
  const isClosed = hulls.map(() => false);
  let left = budgetBytes - chosen.reduce((sum, { bytes }) => sum + bytes, 0);
  let queue = hulls.flatMap(segmentsOf).sort(bySavings);
  for (let segment = queue.shift(); segment !== undefined; segment = queue.shift()) {
    const { index, from, to } = segment;
    if (isClosed[index] === true) continue;
    const bytes = to.bytes - from.bytes;
    if (bytes <= left) {
      left -= bytes;
      chosen[index] = to;
      continue;
    }
    const curve = at(curves, index);
    if (to.rank === undefined) {
      // It cannot stay as it is: its further ranks stand in line instead.
      const further = cornersOf(curve, false).filter((corner) => corner.bytes >= from.bytes);
      queue = [...queue, ...segmentsOf(lowerHull(further), index)].sort(bySavings);
      continue;
    }
    isClosed[index] = true;
    const room = Math.floor(Math.max(0, left) / componentBytes(curve));
    if (from.rank === undefined || room === 0) continue;
    const added = room * componentBytes(curve);
    left -= added;
    chosen[index] = { rank: from.rank + room, bytes: from.bytes + added, loss: from.loss - segment.savedPerByte * added };
  }
  return chosen;
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

function cornersOf(curve: LossCurve, mayStay: boolean): Corner[] {
  const bytesOf = componentBytes(curve);
  const corners = curve.points.map(({ rank, loss }): Corner => ({ rank, bytes: rank * bytesOf, loss }));
  return mayStay ? [...corners, { rank: undefined, bytes: curve.bytesBefore, loss: 0 }] : corners;
}

/** Corners at which the curve bends upwards, so that savings a byte only fall; a corner that does not lower the loss is left out. */
function lowerHull(corners: readonly Corner[]): Corner[] {
  const hull: Corner[] = [];
  for (const corner of corners) {
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
