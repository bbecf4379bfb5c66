// Adaptive embeddings: every way to apply them gives what the dense table gives, whole or in codes.
import { describe, expect, it } from 'vitest';
import { at, Random } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients } from '#graph';
import {
  buildLogitsGraph,
  checkModel,
  clusterSettings,
  denseParameter,
  embeddingClusters,
  GraphNetwork,
  type Model,
  materializeParameter,
  type Parameter,
  parameterSpecs,
  replaceParameters,
  trainableNames,
} from '#models';
import { float32, hostTensor, int64, toNumbers } from '#tensor';
import { largestDifference, randomTensor, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

const path = 'embed.token.weight';
type Sizes = readonly (readonly [number, number])[];

function adaptiveParameter(model: Model, clusters: Sizes, seed = 4): Parameter {
  const spec = parameterSpecs(model).get(path)!;
  const [V = 0, D = 0] = spec.shape;
  const random = new Random(seed);
  const settings = clusterSettings(clusters.map(([size, width]) => ({ size, width })));
  const tensors = clusters.flatMap(([size, width], index) => [
    [`table${index}`, randomTensor(random, [size, width])] as const,
    [`projection${index}`, randomTensor(random, [width, D])] as const,
  ]);
  const places = hostTensor('int32', [V], random.permutation(V));
  return { path, kind: 'adaptiveEmbedding', settings, tensors: { ...Object.fromEntries(tensors), places } };
}

const tokens = tokenRows([
  [3, 1, 4, 1, 5],
  [9, 2, 6, 5, 18],
]);

describe('adaptiveEmbedding', () => {
  it('puts the clusters one under the other in the order of the places', () => {
    const model = tinyModel({ ...tinyGpt2, vocabularySize: 4, width: 2 });
    const parameter: Parameter = {
      path,
      kind: 'adaptiveEmbedding',
      settings: { sizes: '1,3', widths: '1,2' },
      tensors: {
        table0: float32([1, 1], [2]),
        projection0: float32([1, 2], [10, 100]),
        table1: float32([3, 2], [1, 0, 0, 1, 1, 1]),
        projection1: float32([2, 2], [1, 2, 3, 4]),
        places: hostTensor('int32', [4], Int32Array.of(2, 0, 3, 1)),
      },
    };
    const { data } = materializeParameter(replaceParameters(model, [parameter]), path);
    expect([...data]).toEqual([3, 4, 20, 200, 4, 6, 1, 2]);
  });

  const forms: Readonly<Record<string, Sizes>> = {
    'one cluster': [[19, 5]],
    'two clusters': [
      [4, 4],
      [15, 2],
    ],
    'four clusters, one of a single token': [
      [1, 1],
      [6, 6],
      [7, 3],
      [5, 1],
    ],
  };
  for (const [name, clusters] of Object.entries(forms))
    for (const base of [tinyGpt2, tinyLlama, { ...tinyLlama, tiedHead: true }])
      it(`gives the logits of its dense table with ${name}, tied=${base.tiedHead} (${base.architecture})`, async () => {
        const model = tinyModel({ ...base, vocabularySize: 19 });
        const adaptive = replaceParameters(model, [adaptiveParameter(model, clusters)]);
        checkModel(adaptive);
        const dense = replaceParameters(model, [denseParameter(path, materializeParameter(adaptive, path))]);
        for (const sizes of [
          { batch: 2, length: 5 },
          { batch: 'B', length: 'T' },
        ]) {
          const fromClusters = await runGraph(buildLogitsGraph(adaptive, sizes), adaptive, { tokens });
          const fromDense = await runGraph(buildLogitsGraph(dense, sizes), dense, { tokens });
          expect(largestDifference(toNumbers(fromClusters['logits']!), toNumbers(fromDense['logits']!))).toBeLessThan(1e-5);
        }
      });

  it('trains its tables and projections and keeps its places', () => {
    const model = tinyModel({ ...tinyGpt2, vocabularySize: 19 });
    const names = trainableNames(replaceParameters(model, [adaptiveParameter(model, forms['two clusters']!)]));
    expect(names).toEqual(expect.arrayContaining([`${path}.table0`, `${path}.projection1`]));
    expect(names).not.toContain(`${path}.places`);
  });

  it('gives a look-up and the tied head the gradients of its dense table', async () => {
    const model = tinyModel({ ...tinyGpt2, vocabularySize: 19 });
    const parameter = adaptiveParameter(model, forms['two clusters']!);
    const adaptive = replaceParameters(model, [parameter]);
    const engine = createReferenceEngine();
    // Σ(W·wᵀ)·k of a few rows: by the look-up, by the head, and by the table as a whole.
    const gradientOf = async (use: 'lookup' | 'transposed' | 'dense'): Promise<number[]> => {
      const b = new GraphBuilder();
      const net = new GraphNetwork(b, adaptive, { positions: b.constant(int64([1], [0])), attention: { kind: 'causal' } });
      const ids = b.constant(int64([3], [7, 2, 7]));
      const weight = net.weight(path);
      const weights = b.constant(
        float32(
          [3, 6],
          Array.from({ length: 18 }, (_, index) => Math.sin(index)),
        ),
      );
      const table = weight.dense();
      const one = b.constant(
        float32(
          [6, 6],
          Array.from({ length: 36 }, (_, index) => (index % 7 === 0 ? 1 : 0)),
        ),
      );
      const rows = {
        lookup: () => weight.lookup(ids),
        transposed: () => b.gather(b.transpose(weight.transposed(one), [1, 0]), ids),
        dense: () => b.gather(table, ids),
      }[use]();
      const loss = b.reduceSum(b.mul(b.mul(rows, rows), weights), [0, 1]);
      const names = ['table0', 'projection0', 'table1', 'projection1'];
      const made = gradients(
        b,
        loss,
        names.map((slot) => net.parameterInputs.get(`${path}.${slot}`)!),
      );
      const graph = b.graph(Object.fromEntries(names.map((slot, index) => [slot, at(made, index)])));
      const program = await engine.compile(graph, { name: use });
      const inputs = Object.fromEntries(Object.entries(parameter.tensors).map(([slot, tensor]) => [`${path}.${slot}`, tensor]));
      const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, inputs[name]!])));
      return names.flatMap((slot) => [...toNumbers(results[slot]!.read())]);
    };
    const expected = await gradientOf('dense');
    expect(expected.some((value) => Math.abs(value) > 0.01)).toBe(true);
    expect(largestDifference(Float64Array.from(await gradientOf('lookup')), Float64Array.from(expected))).toBeLessThan(1e-5);
    expect(largestDifference(Float64Array.from(await gradientOf('transposed')), Float64Array.from(expected))).toBeLessThan(1e-5);
  });

  it('names what is wrong with its settings', () => {
    const spec = parameterSpecs(tinyModel({ ...tinyGpt2, vocabularySize: 19 })).get(path)!;
    const clusters = (sizes: string, widths: string) => () => embeddingClusters(spec, { sizes, widths });
    expect(clusters('4,14', '4,2')).toThrow(/sizes that sum to 19/);
    expect(clusters('4,15', '4')).toThrow(/one width a cluster/);
    expect(clusters('4,15', '5,2')).toThrow(/width 5 of cluster 0.*outside 1\.\.4/);
    expect(clusters('4,15', '4,0')).toThrow(/setting "widths"/);
    expect(clusters('4;15', '4,2')).toThrow(/setting "sizes"/);
  });
});
