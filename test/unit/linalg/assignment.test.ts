// Linear assignment against brute force, planted optima, ties and its own dual solution.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { linearAssignment, runAtOnce, runCooperatively } from '#linalg';

function randomCosts(n: number, seed: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: n * n }, () => random.normal());
}

function total(cost: ArrayLike<number>, n: number, columnOfRow: ArrayLike<number>): number {
  let sum = 0;
  for (let row = 0; row < n; row++) sum += cost[row * n + columnOfRow[row]!]!;
  return sum;
}

function bruteForce(cost: Float64Array, n: number): number {
  const taken = new Array<boolean>(n).fill(false);
  const best = (row: number): number => {
    if (row === n) return 0;
    let smallest = Number.POSITIVE_INFINITY;
    for (let column = 0; column < n; column++) {
      if (taken[column]) continue;
      taken[column] = true;
      smallest = Math.min(smallest, cost[row * n + column]! + best(row + 1));
      taken[column] = false;
    }
    return smallest;
  };
  return best(0);
}

function expectPermutation(columns: Int32Array, n: number): void {
  expect([...columns].sort((first, second) => first - second)).toEqual(Array.from({ length: n }, (_, index) => index));
}

/** Every row has its cheapest column at the returned prices: a proof that the assignment is optimal. */
function worstViolation(cost: ArrayLike<number>, n: number, columnOfRow: Int32Array, prices: Float64Array): number {
  let worst = 0;
  for (let row = 0; row < n; row++) {
    const own = cost[row * n + columnOfRow[row]!]! - prices[columnOfRow[row]!]!;
    for (let column = 0; column < n; column++) worst = Math.max(worst, own - (cost[row * n + column]! - prices[column]!));
  }
  return worst;
}

describe('linearAssignment', () => {
  for (let n = 0; n <= 7; n++) {
    it(`is as cheap as the best of all ${n}! permutations`, () => {
      for (let seed = 0; seed < 30; seed++) {
        const cost = randomCosts(n, 100 * n + seed);
        const { columnOfRow } = runAtOnce(linearAssignment(cost, n));
        expectPermutation(columnOfRow, n);
        expect(total(cost, n, columnOfRow)).toBeCloseTo(bruteForce(cost, n), 10);
      }
    });
  }

  it('ends on ties: equal costs everywhere, and small whole numbers', () => {
    const equal = runAtOnce(linearAssignment(new Float32Array(40 * 40), 40));
    expectPermutation(equal.columnOfRow, 40);
    for (let seed = 0; seed < 20; seed++) {
      const cost = randomCosts(6, seed).map((value) => Math.round(value));
      expect(total(cost, 6, runAtOnce(linearAssignment(cost, 6)).columnOfRow)).toBe(bruteForce(cost, 6));
    }
  });

  it('proves larger answers by its prices, in either precision', () => {
    const n = 150;
    const cost = randomCosts(n, 3);
    const cold = runAtOnce(linearAssignment(cost, n));
    expect(worstViolation(cost, n, cold.columnOfRow, cold.columnPrices)).toBeLessThan(1e-12);
    const single = runAtOnce(linearAssignment(Float32Array.from(cost), n));
    expect(total(cost, n, single.columnOfRow)).toBeCloseTo(total(cost, n, cold.columnOfRow), 4);
  });

  it('settles near ties of larger problems exactly', () => {
    const n = 90;
    const [left, right] = [randomCosts(n, 1).subarray(0, n), randomCosts(n, 2).subarray(0, n)];
    // Products of two vectors: the optimum pairs the largest with the smallest, and many swaps change almost nothing.
    const cost = Float64Array.from({ length: n * n }, (_, index) => left[Math.floor(index / n)]! * right[index % n]!);
    const { columnOfRow } = runAtOnce(linearAssignment(cost, n));
    const ascending = left.slice().sort((first, second) => first - second);
    const descending = right.slice().sort((first, second) => second - first);
    const best = ascending.reduce((sum, value, index) => sum + value * descending[index]!, 0);
    expect(total(cost, n, columnOfRow)).toBeCloseTo(best, 9);
  });

  it('stops at the signal', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(runCooperatively(linearAssignment(randomCosts(200, 1), 200), controller.signal)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
