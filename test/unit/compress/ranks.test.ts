// Rank rules: bytes, energy, and the allocation that gives bytes where they lower the error most.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocateByLoss,
  breakEvenRank,
  componentBytes,
  type RankCase,
  rankForEnergy,
  rankForRatio,
} from '../../../src/compress/low-rank/ranks.ts';

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

describe('allocateByLoss', () => {
  const lossOf = (squares: Float64Array, rank: number): number =>
    squares.subarray(rank).reduce((sum, value) => sum + value, 0) / squares.reduce((sum, value) => sum + value, 0);

  it('gives the bytes to the matrix whose spectrum is flat, and stays inside the budget', () => {
    const steep = { ...dense(20, 20), squares: Float64Array.from({ length: 20 }, (_, index) => 0.1 ** index) };
    const flat = { ...dense(20, 20), squares: new Float64Array(20).fill(1) };
    const budget = 0.5 * 2 * steep.bytesBefore;
    const ranks = allocateByLoss([steep, flat], budget);
    expect(ranks[1]!).toBeGreaterThan(ranks[0]!);
    expect(ranks.reduce((sum, rank) => sum + rank * componentBytes(steep), 0)).toBeLessThanOrEqual(budget);
  });

  it('is never worse than the uniform ranks, and no exchange of one component between equal matrices helps', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.01, max: 3, noNaN: true }), { minLength: 2, maxLength: 4 }), (laws) => {
        const cases = laws.map((law) => ({
          ...dense(24, 24),
          squares: Float64Array.from({ length: 24 }, (_, index) => (index + 1) ** -law),
        }));
        const budget = 0.6 * cases.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0);
        const ranks = allocateByLoss(cases, budget);
        const total = (chosen: readonly number[]): number =>
          cases.reduce((sum, { squares }, index) => sum + lossOf(squares, chosen[index]!), 0);
        const uniform = cases.map((each) => rankForRatio(each, 0.6));
        expect(total(ranks)).toBeLessThanOrEqual(total(uniform) + 1e-12);
        for (let from = 0; from < cases.length; from++)
          for (let to = 0; to < cases.length; to++) {
            const moved = ranks.map((rank, index) => rank + (index === to ? 1 : 0) - (index === from ? 1 : 0));
            if (from === to || moved[from]! < 1 || moved[to]! > breakEvenRank(cases[to]!)) continue;
            expect(total(moved)).toBeGreaterThanOrEqual(total(ranks) - 1e-12);
          }
      }),
      { numRuns: 40 },
    );
  });
});
