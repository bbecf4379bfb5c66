// Kronecker weights: every way to apply them gives what the dense matrix gives, and their costs are counted as they run.
import { describe, expect, it } from 'vitest';
import { at, Random } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients } from '#graph';
import {
  buildLogitsGraph,
  checkModel,
  denseParameter,
  fastestForm,
  type Gpt2Config,
  type Model,
  materializeParameter,
  multiplicationsPerRow,
  type Parameter,
  parameterSpecs,
  replaceParameters,
  trainableNames,
  untieHead,
} from '#models';
import { float32, hostTensor, toNumbers } from '#tensor';
import { cheapestOrder, denseSum, multiplyBySum } from '../../../src/models/parametrizations/kronecker-products.ts';
import { largestDifference, randomTensor, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

const wide: Gpt2Config = { ...tinyGpt2, vocabularySize: 24, feedForwardWidth: 12 };

interface Form {
  readonly terms: number;
  readonly inner: readonly [number, number];
  readonly rows?: boolean;
  readonly columns?: boolean;
}

function shuffled(random: Random, size: number): Int32Array {
  const order = Int32Array.from({ length: size }, (_, index) => index);
  for (let index = size - 1; index > 0; index--) {
    const other = random.integer(index + 1);
    [order[index], order[other]] = [order[other]!, order[index]!];
  }
  return order;
}

function kroneckerParameter(model: Model, path: string, { terms, inner: [m2, n2], rows, columns }: Form, seed = 3): Parameter {
  const [m = 0, n = 0] = parameterSpecs(model).get(path)!.shape;
  const random = new Random(seed);
  const permuted = { ...(rows ? { permutedRows: true } : {}), ...(columns ? { permutedColumns: true } : {}) };
  return {
    path,
    kind: 'kronecker',
    settings: { terms, innerRows: m2, innerColumns: n2, ...permuted },
    tensors: {
      outer: randomTensor(random, [terms, m / m2, n / n2]),
      inner: randomTensor(random, [terms, m2, n2]),
      ...(rows ? { rowOrder: hostTensor('int32', [m], shuffled(random, m)) } : {}),
      ...(columns ? { columnOrder: hostTensor('int32', [n], shuffled(random, n)) } : {}),
    },
  };
}

const forms: readonly Form[] = [
  { terms: 1, inner: [1, 2] },
  { terms: 2, inner: [2, 2], rows: true, columns: true },
  { terms: 1, inner: [2, 1], rows: true },
  { terms: 2, inner: [1, 2], columns: true },
  { terms: 3, inner: [2, 2] },
];

describe('kronecker', () => {
  it('is the sum of Kronecker products with its rows and columns in the stored orders', () => {
    const model = replaceParameters(tinyModel(wide), [
      {
        path: 'h.0.attn.out.weight',
        kind: 'kronecker',
        settings: { terms: 1, innerRows: 3, innerColumns: 2, permutedRows: true, permutedColumns: true },
        tensors: {
          outer: float32([1, 2, 3], [1, 2, 3, 4, 5, 6]),
          inner: float32([1, 3, 2], [1, 10, 100, 1000, 10000, 100000]),
          rowOrder: hostTensor('int32', [6], Int32Array.of(5, 0, 1, 2, 3, 4)),
          columnOrder: hostTensor('int32', [6], Int32Array.of(1, 0, 2, 3, 4, 5)),
        },
      },
    ]);
    checkModel(model);
    const { data } = materializeParameter(model, 'h.0.attn.out.weight');
    expect([...data.slice(30, 36)]).toEqual([10, 1, 2, 20, 3, 30]); // the sum's first row, columns 0 and 1 exchanged
    expect([...data.slice(0, 6)]).toEqual([1000, 100, 200, 2000, 300, 3000]);
  });

  for (const config of [wide, { ...wide, tiedHead: false }, { ...tinyLlama, vocabularySize: 20, feedForwardWidth: 8, tiedHead: true }]) {
    for (const [index, form] of forms.entries()) {
      it(`gives the logits of its dense weights in form ${index}, tied=${config.tiedHead} (${config.architecture})`, async () => {
        const model = tinyModel(config);
        const matrices = [...parameterSpecs(model).values()].filter(
          ({ path, role }) => role !== 'vector' && path !== 'embed.position.weight',
        );
        const compressed = replaceParameters(
          model,
          matrices.map(({ path }, seed) => kroneckerParameter(model, path, form, seed)),
        );
        checkModel(compressed);
        const dense = replaceParameters(
          model,
          matrices.map(({ path }) => denseParameter(path, materializeParameter(compressed, path))),
        );
        const tokens = tokenRows([
          [3, 1, 4, 1, 5],
          [9, 2, 6, 5, 3],
        ]);
        for (const sizes of [
          { batch: 2, length: 5 },
          { batch: 'B', length: 'T' },
        ]) {
          const fromFactors = await runGraph(buildLogitsGraph(compressed, sizes), compressed, { tokens });
          const fromDense = await runGraph(buildLogitsGraph(dense, sizes), dense, { tokens });
          expect(largestDifference(toNumbers(fromFactors['logits']!), toNumbers(fromDense['logits']!))).toBeLessThan(1e-5);
        }
        const fast = fastestForm(compressed);
        for (const { path } of matrices) expect(materializeParameter(fast, path)).toEqual(materializeParameter(compressed, path));
      });
    }
  }

  it('multiplies alike in every order of contraction, forwards and transposed, with the same gradients', async () => {
    const random = new Random(1);
    const [R, m1, n1, m2, n2] = [3, 4, 3, 2, 4];
    const outer = randomTensor(random, [R, m1, n1]);
    const inner = randomTensor(random, [R, m2, n2]);
    for (const isTransposed of [false, true]) {
      const x = randomTensor(random, [2, 5, isTransposed ? n1 * n2 : m1 * m2]);
      const results = [];
      for (const order of ['dense', 'outerFirst', 'innerFirst'] as const) {
        const b = new GraphBuilder();
        const inputs = [
          b.input('x', 'float32', ['B', 5, at(x.shape, 2)]),
          b.input('outer', 'float32', outer.shape),
          b.input('inner', 'float32', inner.shape),
        ];
        const y = multiplyBySum(b, at(inputs, 0), { outer: at(inputs, 1), inner: at(inputs, 2) }, isTransposed, order);
        const [dX, dOuter, dInner] = gradients(b, b.reduceSum(b.mul(y, y), [0, 1, 2]), inputs);
        const program = await createReferenceEngine().compile(b.graph({ y, dX: dX!, dOuter: dOuter!, dInner: dInner! }), { name: order });
        const outputs = await program.run({ x, outer, inner });
        results.push(Object.values(outputs).map((buffer) => toNumbers(buffer.read())));
      }
      for (const other of results.slice(1))
        for (const [index, values] of other.entries()) expect(largestDifference(values, results[0]![index]!)).toBeLessThan(1e-4);
    }
  });

  it('chooses the order by the cost: factors for few rows or cheap sums, the dense matrix where it pays', () => {
    const released = { terms: 4, m1: 384, n1: 768, m2: 2, n2: 4 }; // GPT-2's c_fc as TQCompressedGPT2 stores it
    expect(multiplicationsPerRow(released)).toEqual({ outerFirst: 2_383_872, innerFirst: 4_730_880, dense: 2_359_296 });
    expect(cheapestOrder(released, 'B')).toBe('outerFirst');
    expect(cheapestOrder(released, 4096)).toBe('dense');
    expect(cheapestOrder({ ...released, terms: 1 }, 4096)).toBe('outerFirst');
    expect(cheapestOrder({ terms: 4, m1: 768, n1: 384, m2: 4, n2: 2 }, 'B')).toBe('innerFirst');
  });

  it('never trains its orders, and makes dense at load what its factors do not speed up', () => {
    const model = tinyModel(wide);
    const slow = kroneckerParameter(model, 'h.0.mlp.fc.weight', { terms: 2, inner: [2, 2], rows: true });
    const quick = kroneckerParameter(model, 'h.1.mlp.fc.weight', { terms: 1, inner: [1, 4], columns: true });
    const compressed = replaceParameters(model, [slow, quick]);
    const names = trainableNames(compressed).filter((name) => name.includes('mlp.fc.weight'));
    expect(names).toEqual(['h.0.mlp.fc.weight.outer', 'h.0.mlp.fc.weight.inner', 'h.1.mlp.fc.weight.outer', 'h.1.mlp.fc.weight.inner']);
    const fast = fastestForm(compressed);
    expect(fast.parameters.get(slow.path)?.kind).toBe('dense');
    expect(fast.parameters.get(quick.path)).toBe(quick);
    expect(fastestForm(model)).toBe(model);
  });

  it('names what is wrong with its settings', () => {
    const model = tinyModel(wide);
    const withSettings =
      (settings: Parameter['settings']): (() => void) =>
      () =>
        checkModel(
          replaceParameters(model, [{ ...kroneckerParameter(model, 'h.0.mlp.fc.weight', { terms: 1, inner: [2, 2] }), settings }]),
        );
    expect(withSettings({ terms: 1, innerRows: 4, innerColumns: 2 })).toThrow(
      /\[does_not_factor\] h\.0\.mlp\.fc\.weight.*\[4, 2\].*\[6, 12\]/,
    );
    expect(withSettings({ terms: 5, innerRows: 2, innerColumns: 2 })).toThrow(/\[rank_out_of_range\].*1\.\.4/);
    expect(withSettings({ terms: 1.5, innerRows: 2, innerColumns: 2 })).toThrow(/\[config_mismatch\].*terms/);
    expect(withSettings({ terms: 1, innerRows: 2, innerColumns: 2, permutedRows: 1 })).toThrow(/\[config_mismatch\].*permutedRows/);
  });

  it('stands in graphs as a matrix too', () => {
    const b = new GraphBuilder();
    const sum = { outer: b.input('outer', 'float32', [2, 3, 4]), inner: b.input('inner', 'float32', [2, 5, 1]) };
    expect(denseSum(b, sum).shape).toEqual([15, 4]);
  });
});

describe('untieHead', () => {
  it('keeps the logits and stores the table twice', async () => {
    const model = tinyModel(wide);
    const untied = untieHead(model);
    checkModel(untied);
    expect(untied.config.tiedHead).toBe(false);
    const tokens = tokenRows([[3, 1, 4]]);
    const sizes = { batch: 1, length: 3 };
    const [before, after] = [
      await runGraph(buildLogitsGraph(model, sizes), model, { tokens }),
      await runGraph(buildLogitsGraph(untied, sizes), untied, { tokens }),
    ];
    expect(largestDifference(toNumbers(before['logits']!), toNumbers(after['logits']!))).toBeLessThan(1e-6);
    expect(untieHead(untied)).toBe(untied);
  });
});
