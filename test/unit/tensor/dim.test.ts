// Dimensions are polynomials: the algebra agrees with numbers, and equal polynomials are equal texts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addDims,
  bindShape,
  broadcastShapes,
  type Dim,
  dimTerms,
  elementCount,
  evaluateDim,
  evaluateShape,
  isStatic,
  multiplyDims,
  normalizeAxis,
  sameShape,
  staticDim,
  subtractDims,
} from '#tensor';

const symbols = ['B', 'T', 'S', 'a_1'];

/** Any text or number that the parser takes, canonical or not. */
const anyDim: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 0, max: 9 }),
  fc
    .array(fc.array(fc.oneof(fc.constantFrom(...symbols), fc.integer({ min: -4, max: 4 }).map(String)), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 3,
    })
    .map((terms) => terms.map((factors) => factors.join('*')).join('+')),
);

const anyBindings = fc
  .array(fc.integer({ min: 0, max: 7 }), { minLength: symbols.length, maxLength: symbols.length })
  .map((values) => new Map(symbols.map((symbol, index) => [symbol, values[index]!])));

describe('the algebra of dimensions', () => {
  it('adds, subtracts and multiplies as the numbers do that the symbols stand for', () => {
    fc.assert(
      fc.property(anyDim, anyDim, anyBindings, (left, right, bindings) => {
        const value = (dim: Dim): number => evaluateDim(dim, bindings);
        expect(value(addDims(left, right))).toBe(value(left) + value(right));
        expect(value(multiplyDims(left, right)) - value(left) * value(right)).toBe(0);
        expect(value(subtractDims(left, right))).toBe(value(left) - value(right));
        expect(evaluateShape([left, right], bindings)).toEqual([value(left), value(right)]);
      }),
    );
  });

  it('prints equal polynomials equally', () => {
    fc.assert(
      fc.property(anyDim, anyDim, anyDim, (x, y, z) => {
        expect(addDims(x, y)).toBe(addDims(y, x));
        expect(addDims(addDims(x, y), z)).toBe(addDims(x, addDims(y, z)));
        expect(sameShape([multiplyDims(x, y)], [multiplyDims(y, x)])).toBe(true);
        expect(sameShape([multiplyDims(multiplyDims(x, y), z)], [multiplyDims(x, multiplyDims(y, z))])).toBe(true);
        expect(sameShape([multiplyDims(x, addDims(y, z))], [addDims(multiplyDims(x, y), multiplyDims(x, z))])).toBe(true);
        expect(subtractDims(addDims(x, y), addDims(y, x))).toBe(0);
        expect(addDims(subtractDims(x, y), y)).toBe(addDims(0, x));
        expect(multiplyDims(1, x)).toBe(addDims(x, 0));
        expect(multiplyDims(x, 1)).toBe(addDims(0, x));
      }),
    );
  });

  it('has one form: symbols in order, the constant last, numbers as numbers', () => {
    expect(multiplyDims('T', 'B')).toBe('B*T');
    expect(addDims(4, 'S')).toBe('S+4');
    expect(addDims(0, 'S')).toBe('S');
    expect(multiplyDims(2, addDims('T', 1))).toBe('2*T+2');
    expect(subtractDims('T', 'T')).toBe(0);
    expect(subtractDims(addDims('T', 3), 'T')).toBe(3);
    expect(elementCount(['B', 3, 'T', 2])).toBe('6*B*T');
    expect(elementCount([])).toBe(1);
    expect(dimTerms('2*B*T+3')).toEqual([
      { coefficient: 2, symbols: ['B', 'T'] },
      { coefficient: 3, symbols: [] },
    ]);
  });

  it.each(['B-1', '', 'B**T', '2B', 'B+', '1.5'])('refuses the text "%s"', (dim) => {
    expect(() => addDims(dim, 1)).toThrow(/^\[shape_mismatch\].*is not a sum of products/);
  });

  it('names the symbol that nothing binds', () => {
    expect(() => evaluateDim('B*T', new Map([['B', 2]]))).toThrow(/symbol T is not bound/);
  });
});

describe('shapes', () => {
  const size = fc.constantFrom<Dim>(0, 1, 2, 3, 'B', 'T');
  it('broadcast as NumPy does, in either order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(size, fc.boolean(), fc.boolean()), { maxLength: 4 }),
        fc.nat(4),
        fc.nat(4),
        (axes, cutLeft, cutRight) => {
          const wanted = axes.map(([dim]) => dim);
          // One of the two keeps each axis; leading ones may be left out altogether.
          const left = axes.map(([dim, isOne]) => (isOne ? 1 : dim));
          const right = axes.map(([dim, isOne, isAlsoOne]) => (isOne || !isAlsoOne ? dim : 1));
          expect(broadcastShapes(left, right, 'here')).toEqual(wanted);
          expect(broadcastShapes(right, left, 'here')).toEqual(wanted);
          const rank = wanted.length;
          const cut = broadcastShapes(left.slice(Math.min(cutLeft, rank)), wanted, 'here');
          expect(cut).toEqual(wanted);
          expect(broadcastShapes(wanted, right.slice(Math.min(cutRight, rank)), 'here')).toEqual(wanted);
        },
      ),
    );
  });

  it.each([
    [[2], [3]],
    [['B'], [2]],
    [['B'], ['T']],
    [[2, 3], [2]],
    [[0], [2]],
  ])('refuse to broadcast %j with %j', (left, right) => {
    expect(() => broadcastShapes(left, right, 'add "h.0"')).toThrow(/\[shape_mismatch\] add "h.0": \[.*\] and \[.*\] do not broadcast/);
  });

  it('bind plain symbols once, and check every later use', () => {
    const bindings = new Map<string, number>();
    bindShape(['B', 'T', 3], [2, 5, 3], bindings, 'tokens');
    expect([...bindings]).toEqual([
      ['B', 2],
      ['T', 5],
    ]);
    bindShape(['T', 'B*T'], [5, 10], bindings, 'more'); // expressions are checked by engines, when all symbols are known
    expect(() => bindShape(['B'], [3], bindings, 'labels')).toThrow('[shape_mismatch] labels: expected [B], got [3].');
    expect(() => bindShape([3], [4], bindings, 'x')).toThrow(/expected \[3\], got \[4\]/);
    expect(() => bindShape([3], [3, 1], bindings, 'x')).toThrow(/expected \[3\], got \[3, 1\]/);
  });

  it('know whether they are static, and where an axis is', () => {
    expect([isStatic([2, 0]), isStatic([]), isStatic([2, 'B'])]).toEqual([true, true, false]);
    expect(staticDim(4, 'here')).toBe(4);
    expect(() => staticDim('B', 'mean')).toThrow(/mean: needs a size that is known.*got B/);
    expect(() => staticDim(undefined, 'mean')).toThrow(/got none/);
    expect([normalizeAxis(-1, 3, 'x'), normalizeAxis(0, 3, 'x')]).toEqual([2, 0]);
    for (const axis of [3, -4, 0.5, Number.NaN]) expect(() => normalizeAxis(axis, 3, 'x')).toThrow(/axis .* is outside a tensor of rank 3/);
  });
});
