// Linear assignment: which column each row takes so that the sum of their costs is smallest.
import { invariant } from '#base';
import type { Steps } from './cooperative.ts';

export interface Assignment {
  /** Row i takes column columnOfRow[i]; a permutation. */
  readonly columnOfRow: Int32Array;
  /** The dual solution: no row could take another column for less, were these prices taken off the costs. */
  readonly columnPrices: Float64Array;
}

/** How often every row may bid before the shortest paths take over. */
const biddingRounds = 2;
/** Bids a row, on average, after which a round ends: prices that creep up by little are the paths' work. */
const bidsPerRow = 4;
/** Smaller problems need no auctions. */
const auctionFrom = 64;
/** Raises of the first and of the last auction, as shares of the largest cost; each is a fifth of the one before. */
const firstRaise = 0.02;
const lastRaise = 0.00016;
const shrink = 5;
/** Row scans between two pauses. */
const rowsPerPause = 64;

/**
 * The permutation with the smallest Σ cost[i, columnOfRow[i]].
 *
 * Auctions find good column prices (in small problems the cheapest row of each column does), rows bid against each other at these, and shortest
 * augmenting paths seat the rest.
 *
 * Shapes: cost [n, n], finite, left as it is.
 * Cost: O(n³) at worst; 0.1 to 0.2 s at n = 2304 for scores of trained weights, which have near ties.
 *
 * @see R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38, 1987
 */
export function* linearAssignment(cost: Float32Array | Float64Array, n: number): Steps<Assignment> {
  invariant(cost.length === n * n, `an assignment of ${n} rows has ${n * n} costs, got ${cost.length}`);
  const seats: Seats = {
    cost,
    n,
    prices: new Float64Array(n),
    columnOfRow: new Int32Array(n).fill(-1),
    rowOfColumn: new Int32Array(n).fill(-1),
  };
  if (n >= auctionFrom) yield* auction(seats);
  else reduceColumns(seats);
  let free = Array.from({ length: n }, (_, row) => row).filter((row) => seats.columnOfRow[row]! < 0);
  for (let round = 0; round < biddingRounds && free.length > 0; round++) free = yield* bid(seats, free, 0);
  const search = newSearch(n);
  for (const row of free) {
    const last = yield* shortestPath(seats, row, search);
    let column = last;
    for (;;) {
      const previous = search.previousRow[column]!;
      const next = seats.columnOfRow[previous]!;
      seats.rowOfColumn[column] = previous;
      seats.columnOfRow[previous] = column;
      if (previous === row) break;
      column = next;
    }
  }
  return { columnOfRow: seats.columnOfRow, columnPrices: seats.prices };
}

/** A partial assignment in which every seated row has its cheapest column at these prices. */
interface Seats {
  readonly cost: Float32Array | Float64Array;
  readonly n: number;
  readonly prices: Float64Array;
  /** -1 where a row has no column yet. */
  readonly columnOfRow: Int32Array;
  readonly rowOfColumn: Int32Array;
}

/**
 * Good prices by auctions in which every bid exceeds what it must by a raise that shrinks from one auction to the next; near ties, which
 * make shortest paths long, are settled by the first raises.
 *
 * @see D. Bertsekas, "The auction algorithm: a distributed relaxation method for the assignment problem", Annals of Operations Research 14, 1988
 */
function* auction(seats: Seats): Steps<void> {
  const { cost, n, columnOfRow, rowOfColumn } = seats;
  let largest = 0;
  for (let index = 0; index < cost.length; index++) largest = Math.max(largest, Math.abs(cost[index]!));
  for (let raise = firstRaise * largest; raise > 0.9 * lastRaise * largest; raise /= shrink) {
    yield* bid(
      seats,
      Array.from({ length: n }, (_, row) => row),
      raise,
    );
    columnOfRow.fill(-1);
    rowOfColumn.fill(-1);
  }
}

/** Every column is priced at its cheapest row, which takes it when it has none yet. */
function reduceColumns({ cost, n, prices, columnOfRow, rowOfColumn }: Seats): void {
  const cheapest = new Int32Array(n);
  prices.set(cost.subarray(0, n));
  for (let row = 1; row < n; row++) {
    const offset = row * n;
    for (let column = 0; column < n; column++) {
      const value = cost[offset + column]!;
      if (value < prices[column]!) {
        prices[column] = value;
        cheapest[column] = row;
      }
    }
  }
  for (let column = n - 1; column >= 0; column--) {
    const row = cheapest[column]!;
    if (columnOfRow[row]! >= 0) continue;
    columnOfRow[row] = column;
    rowOfColumn[column] = row;
  }
}

/**
 * Each free row takes its cheapest column and lowers that column's price until its second choice is better by `raise`; a row that is driven out
 * bids again. Returns the rows that are still free.
 */
function* bid({ cost, n, prices, columnOfRow, rowOfColumn }: Seats, waiting: number[], raise: number): Steps<number[]> {
  const stack = waiting.toReversed();
  const stillFree: number[] = [];
  const limit = bidsPerRow * n;
  for (let numBids = 0; ; numBids++) {
    const row = stack.pop();
    if (row === undefined) return stillFree;
    if (numBids % rowsPerPause === rowsPerPause - 1) yield;
    const offset = row * n;
    let best = Number.POSITIVE_INFINITY;
    let second = Number.POSITIVE_INFINITY;
    let bestColumn = -1;
    let secondColumn = -1;
    for (let column = 0; column < n; column++) {
      const value = cost[offset + column]! - prices[column]!;
      if (value >= second) continue;
      if (value < best) {
        second = best;
        secondColumn = bestColumn;
        best = value;
        bestColumn = column;
      } else {
        second = value;
        secondColumn = column;
      }
    }
    const lowered = prices[bestColumn]! - (second - best) - raise;
    // Rounding may leave the price where it is; then bidding on would never end.
    const isLower = lowered < prices[bestColumn]! && Number.isFinite(lowered);
    if (isLower) prices[bestColumn] = lowered;
    else if (rowOfColumn[bestColumn]! >= 0 && secondColumn >= 0) bestColumn = secondColumn;
    const driven = rowOfColumn[bestColumn]!;
    columnOfRow[row] = bestColumn;
    rowOfColumn[bestColumn] = row;
    if (driven < 0) continue;
    columnOfRow[driven] = -1;
    if (isLower && numBids < limit) stack.push(driven);
    else stillFree.push(driven);
  }
}

interface Search {
  readonly distance: Float64Array;
  readonly previousRow: Int32Array;
  /** Columns: first those whose distance is final, then those at the present distance, then the others. */
  readonly order: Int32Array;
}

function newSearch(n: number): Search {
  return { distance: new Float64Array(n), previousRow: new Int32Array(n), order: new Int32Array(n) };
}

/** Dijkstra from a free row over reduced costs to the nearest free column; updates the prices of the columns on the way. */
function* shortestPath({ cost, n, prices, rowOfColumn }: Seats, start: number, search: Search): Steps<number> {
  const { distance, previousRow, order } = search;
  for (let column = 0; column < n; column++) {
    order[column] = column;
    previousRow[column] = start;
    distance[column] = cost[start * n + column]! - prices[column]!;
  }
  let numFinal = 0;
  let numReady = 0;
  let reach = 0;
  let numScans = 0;
  for (;;) {
    if (numFinal === numReady) {
      numReady = collectNearest(search, numFinal, n);
      reach = distance[order[numFinal]!]!;
      for (let index = numFinal; index < numReady; index++) {
        const column = order[index]!;
        if (rowOfColumn[column]! >= 0) continue;
        settlePrices(prices, search, numFinal, reach);
        return column;
      }
    }
    const column = order[numFinal]!;
    numFinal++;
    const row = rowOfColumn[column]!;
    const offset = row * n;
    const slack = cost[offset + column]! - prices[column]! - reach;
    if (++numScans % rowsPerPause === 0) yield;
    for (let index = numReady; index < n; index++) {
      const other = order[index]!;
      const through = cost[offset + other]! - prices[other]! - slack;
      if (through >= distance[other]!) continue;
      distance[other] = through;
      previousRow[other] = row;
      if (through > reach) continue;
      if (rowOfColumn[other]! < 0) {
        settlePrices(prices, search, numFinal, reach);
        return other;
      }
      order[index] = order[numReady]!;
      order[numReady] = other;
      numReady++;
    }
  }
}

/** Moves the columns of smallest distance to the front of the open ones; returns the end of them. */
function collectNearest({ distance, order }: Search, start: number, n: number): number {
  let end = start;
  let nearest = Number.POSITIVE_INFINITY;
  for (let index = start; index < n; index++) {
    const column = order[index]!;
    const value = distance[column]!;
    if (value > nearest) continue;
    if (value < nearest) {
      nearest = value;
      end = start;
    }
    order[index] = order[end]!;
    order[end] = column;
    end++;
  }
  return end;
}

function settlePrices(prices: Float64Array, { distance, order }: Search, numFinal: number, reach: number): void {
  for (let index = 0; index < numFinal; index++) {
    const column = order[index]!;
    prices[column] = prices[column]! + distance[column]! - reach;
  }
}
