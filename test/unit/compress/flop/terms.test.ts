// Hard gates: which terms stay, what is stored of them, and that the sliced layer answers what the masked one did.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { float32, type HostTensor, toNumbers } from '#tensor';
import { chooseTerms } from '../../../../src/compress/flop/choose-terms.ts';
import { factorBytes, type GatedLayer, layerBytes } from '../../../../src/compress/flop/gated-model.ts';
import { keepProbability } from '../../../../src/compress/flop/hard-concrete.ts';
import { compiledFactors, sliceTensors } from '../../../../src/compress/flop/slice-terms.ts';

function layer(path: string, pairs: readonly (readonly [number, number])[], dense: number): GatedLayer {
  return {
    path,
    pairs: pairs.map(([rows, columns], index) => ({ path, left: `left${index}`, right: `right${index}`, rows, columns })),
    dtype: 'float32',
    bytesBefore: dense * 4,
    kindBefore: 'dense',
    denseElements: dense,
    fixedBytes: 0,
    withFactors: () => ({ path, kind: 'lowRank', settings: {}, tensors: {} }),
  };
}

function normal(random: Random, shape: readonly [number, number]): HostTensor<'float32'> {
  return float32(
    shape,
    Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal()),
  );
}

/** x·left·diag(z)·right for x [k, m]. */
function answer(x: HostTensor, left: HostTensor, z: readonly number[], right: HostTensor): number[] {
  const [k = 0, m = 0] = x.shape;
  const [, rank = 0] = left.shape;
  const [, n = 0] = right.shape;
  const [xs, ls, rs] = [toNumbers(x), toNumbers(left), toNumbers(right)];
  return Array.from({ length: k * n }, (_, index) => {
    const [row, column] = [Math.floor(index / n), index % n];
    let sum = 0;
    for (let term = 0; term < rank; term++) {
      let inner = 0;
      for (let i = 0; i < m; i++) inner += xs[row * m + i]! * ls[i * rank + term]!;
      sum += inner * z[term]! * rs[term * n + column]!;
    }
    return sum;
  });
}

describe('compiled factors', () => {
  const random = new Random(8);
  const [left, right, x] = [normal(random, [5, 7]), normal(random, [7, 4]), normal(random, [3, 5])];

  it('answer what the masked layer answers', () => {
    const z = [0, 0.9, 0, 0.3, 1, 0, 0.75];
    const compiled = compiledFactors({ left, right }, z);
    expect([compiled.left.shape, compiled.right.shape]).toEqual([
      [5, 4],
      [4, 4],
    ]);
    const expected = answer(x, left, z, right);
    answer(x, compiled.left, [1, 1, 1, 1], compiled.right).forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index]!, 5);
    });
  });

  it('answer nothing where every gate is closed, so that a layer gives its bias alone', () => {
    const compiled = compiledFactors({ left, right }, [0, 0, 0, 0, 0, 0, 0]);
    expect(compiled.left.shape).toEqual([5, 1]);
    expect(answer(x, compiled.left, [1], compiled.right).every((value) => value === 0)).toBe(true);
  });
});

describe('slicing a checkpoint', () => {
  it('takes the optimizer state of a tensor with it and leaves the others', () => {
    const tensors = new Map<string, HostTensor>([
      ['a.left', float32([2, 3], [1, 2, 3, 4, 5, 6])],
      ['m:a.left', float32([2, 3], [10, 20, 30, 40, 50, 60])],
      ['v:a.right', float32([3, 1], [7, 8, 9])],
      ['b', float32([3], [1, 2, 3])],
    ]);
    const sliced = sliceTensors(
      tensors,
      new Map([
        ['a.left', { axis: 1, kept: [0, 2] }],
        ['a.right', { axis: 0, kept: [0, 2] }],
      ]),
    );
    expect([...toNumbers(sliced.get('a.left')!)]).toEqual([1, 3, 4, 6]);
    expect([...toNumbers(sliced.get('m:a.left')!)]).toEqual([10, 30, 40, 60]);
    expect([...toNumbers(sliced.get('v:a.right')!)]).toEqual([7, 9]);
    expect(sliced.get('b')!.shape).toEqual([3]);
  });
});

describe('choosing terms', () => {
  const layers = [layer('a', [[10, 6]], 60), layer('b', [[4, 12]], 48)];
  const random = new Random(2);
  const alphas = [8, 4].map((rank) => Array.from({ length: rank }, () => 4 * random.normal()));
  const bytes = (kept: readonly (readonly number[])[]): number =>
    layers.reduce((sum, each, index) => sum + layerBytes(each, [kept[index]!.length]), 0);

  it('stores Σ (m + n) elements for each term that stays', () => {
    const kept = chooseTerms(layers, alphas, { beta: 1, budgetBytes: 200 });
    const elements = 16 * kept[0]!.length + 16 * kept[1]!.length;
    expect(layers.reduce((sum, each, index) => sum + factorBytes(each, [kept[index]!.length]), 0)).toBe(4 * elements);
  });

  it.each([150, 200, 264, 330, 400])('fills %i bytes to the last term that fits', (budgetBytes) => {
    const kept = chooseTerms(layers, alphas, { beta: 1, budgetBytes });
    expect(bytes(kept)).toBeLessThanOrEqual(budgetBytes);
    expect(bytes(kept)).toBeGreaterThan(budgetBytes - 64);
  });

  it('keeps the terms with the largest α of each pair', () => {
    const kept = chooseTerms(layers, alphas, { beta: 1, budgetBytes: 264 });
    kept.forEach((indices, pair) => {
      const inside = indices.map((index) => alphas[pair]![index]!);
      const outside = alphas[pair]!.filter((_, index) => !indices.includes(index));
      expect(Math.min(...inside)).toBeGreaterThan(Math.max(...outside, Number.NEGATIVE_INFINITY));
    });
  });

  it('keeps the number that the gates expect where the bytes agree', () => {
    // Matrices so large that factors are always smaller.
    const large = layers.map((each) => ({ ...each, denseElements: 1000 }));
    const rounded = alphas.map((ofPair) => Math.round(ofPair.reduce((sum, alpha) => sum + keepProbability(alpha, 1), 0)));
    const kept = chooseTerms(large, alphas, { beta: 1, budgetBytes: 64 * (rounded[0]! + rounded[1]!) });
    expect(kept.map(({ length }) => length)).toEqual(rounded);
  });

  it('keeps one term of every pair, whatever the bytes', () => {
    const shut = alphas.map((ofPair) => ofPair.map(() => -20));
    expect(chooseTerms(layers, shut, { beta: 1, budgetBytes: 0 }).map(({ length }) => length)).toEqual([1, 1]);
  });

  it('counts a matrix as dense where its factors are larger', () => {
    expect(layerBytes(layers[0]!, [4])).toBe(60 * 4);
    expect(layerBytes(layers[0]!, [3])).toBe(48 * 4);
    // More terms of a matrix that is dense already cost nothing.
    const open = alphas.map((ofPair) => ofPair.map(() => 9));
    expect(chooseTerms(layers, open, { beta: 1, budgetBytes: 108 * 4 }).map(({ length }) => length)).toEqual([8, 4]);
  });

  it('does not see a layer of several pairs as several layers', () => {
    const clusters = layer(
      'c',
      [
        [6, 4],
        [20, 4],
      ],
      104,
    );
    const kept = chooseTerms(
      [clusters],
      [
        [3, 2, 1],
        [0.5, -1, -2, -3],
      ],
      { beta: 1, budgetBytes: 70 * 4 },
    );
    expect(
      layerBytes(
        clusters,
        kept.map(({ length }) => length),
      ),
    ).toBe((10 * kept[0]!.length + 24 * kept[1]!.length) * 4);
  });
});
