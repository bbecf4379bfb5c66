// Rank rules: bytes, energy, and the sharing out of bytes where they lower the loss most.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakEvenRank, componentBytes, type RankCase, rankForEnergy, rankForRatio } from '../../../src/compress/low-rank/ranks.ts';
import { type LossCurve, shareOut } from '../../../src/compress/low-rank/share-out.ts';

const dense = (rows: number, columns: number, elementBytes = 4): RankCase => ({
  rows,
  columns,
  elementBytes,
  bytesBefore: rows * columns * elementBytes,
});

describe('rankForRatio', () => {
  it('is ⌊ratio·mn/(m+n)⌋ for dense matrices of any element size, at least 1', () => {
    for (const bytes of [2, 4]) {
      expect(rankForRatio(dense(768, 3072, bytes), 0.5)).toBe(307);
      expect(rankForRatio(dense(768, 768, bytes), 0.5)).toBe(192);
      expect(rankForRatio(dense(8, 8, bytes), 0.01)).toBe(1);
    }
  });

  it('never stores more than the ratio asks for, above rank 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.integer({ min: 1, max: 99 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (m, n, ratio) => {
          const matrix = dense(m, n);
          const rank = rankForRatio(matrix, ratio);
          expect(rank).toBeGreaterThanOrEqual(1);
          expect(rank).toBeLessThanOrEqual(Math.min(m, n));
          if (rank > 1) expect(rank * componentBytes(matrix)).toBeLessThanOrEqual(ratio * matrix.bytesBefore);
        },
      ),
    );
  });

  it('keeps a share of the rank of what is factorized already', () => {
    expect(rankForRatio({ ...dense(16, 32), bytesBefore: 10 * 48 * 4 }, 0.5)).toBe(5);
  });
});

describe('breakEvenRank', () => {
  it('is the largest rank that stores less', () => {
    for (const matrix of [dense(768, 3072), dense(8, 8), dense(3, 5)]) {
      const rank = breakEvenRank(matrix);
      expect(rank === 1 || rank * componentBytes(matrix) < matrix.bytesBefore).toBe(true);
      expect((rank + 1) * componentBytes(matrix)).toBeGreaterThanOrEqual(matrix.bytesBefore);
    }
  });
});

describe('rankForEnergy', () => {
  it('is the smallest rank that reaches the share', () => {
    const squares = Float64Array.of(6, 3, 1, 0);
    expect(rankForEnergy(squares, 0.5)).toBe(1);
    expect(rankForEnergy(squares, 0.6)).toBe(1);
    expect(rankForEnergy(squares, 0.61)).toBe(2);
    expect(rankForEnergy(squares, 0.95)).toBe(3);
    expect(rankForEnergy(Float64Array.of(0, 0), 0.5)).toBe(1);
  });
});

describe('shareOut', () => {
  /** A curve with every rank up to break-even, from the losses of single components. */
  const curve = (rows: number, columns: number, losses: readonly number[]): LossCurve => {
    const matrix = dense(rows, columns);
    const tail = (rank: number): number => losses.slice(rank).reduce((sum, loss) => sum + loss, 0);
    return { ...matrix, points: Array.from({ length: breakEvenRank(matrix) }, (_, index) => ({ rank: index + 1, loss: tail(index + 1) })) };
  };
  const bytesOf = (curves: readonly LossCurve[], ranks: readonly number[]): number =>
    curves.reduce((sum, each, index) => sum + ranks[index]! * componentBytes(each), 0);
  const lossOf = (each: LossCurve, rank: number): number => each.points[rank - 1]!.loss;

  it('gives the bytes to the matrix whose components are worth more, and stays inside the budget', () => {
    const curves = [curve(20, 20, Array(20).fill(0.01)), curve(20, 20, Array(20).fill(1))];
    const budget = 0.5 * 2 * curves[0]!.bytesBefore;
    const ranks = shareOut(curves, budget);
    expect(ranks[1]!).toBeGreaterThan(ranks[0]!);
    expect(bytesOf(curves, ranks)).toBeLessThanOrEqual(budget);
  });

  it('takes ranks between measured ones, and passes over measurements that do not fall', () => {
    const points = [1, 3, 5, 7].map((rank, index) => ({ rank, loss: [8, 4, 4.5, 1][index]! }));
    const each: LossCurve = { ...dense(20, 20), points };
    expect(shareOut([each], 4 * componentBytes(each))).toEqual([4]);
    expect(shareOut([each], 7.5 * componentBytes(each))).toEqual([7]);
    expect(shareOut([each], 99 * componentBytes(each))).toEqual([7]);
  });

  it('keeps the smallest rank of everything where the budget is too small', () => {
    expect(shareOut([curve(8, 8, Array(8).fill(1)), curve(8, 8, Array(8).fill(2))], 10)).toEqual([1, 1]);
  });

  it('is never worse than the uniform ranks', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.01, max: 3, noNaN: true }), { minLength: 2, maxLength: 4 }), (laws) => {
        const curves = laws.map((law) =>
          curve(
            24,
            24,
            Array.from({ length: 24 }, (_, index) => (index + 1) ** -law),
          ),
        );
        const budget = 0.4 * curves.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0);
        const ranks = shareOut(curves, budget);
        const total = (chosen: readonly number[]): number => curves.reduce((sum, each, index) => sum + lossOf(each, chosen[index]!), 0);
        expect(bytesOf(curves, ranks)).toBeLessThanOrEqual(budget);
        // One component a matrix is what the last step of whole segments may leave unused.
        const slack = Math.max(...curves.map(({ points }) => points[0]!.loss - points[1]!.loss)) / 8;
        expect(total(ranks)).toBeLessThanOrEqual(total(curves.map((each) => rankForRatio(each, 0.4))) + slack);
      }),
      { numRuns: 40 },
    );
  });
});
