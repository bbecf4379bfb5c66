// Parametrizations: slots, checks, application and materialization.
import { describe, expect, it } from 'vitest';
import { AppError, Random } from '#base';
import {
  buildLogitsGraph,
  checkModel,
  checkParameter,
  denseParameter,
  type Model,
  materializeParameter,
  type Parameter,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  storedName,
  storedTensors,
  trainableNames,
} from '#models';
import { castTensor, float32, hostTensor, toNumbers } from '#tensor';
import { largestDifference, randomTensor, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

function lowRankParameter(model: Model, path: string, rank: number, seed = 5): Parameter {
  const [rows = 0, columns = 0] = parameterSpecs(model).get(path)!.shape;
  const random = new Random(seed);
  return {
    path,
    kind: 'lowRank',
    settings: { rank },
    tensors: { left: randomTensor(random, [rows, rank]), right: randomTensor(random, [rank, columns]) },
  };
}

/** The message of the error, which must be an AppError. */
function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return (error as AppError).message;
  }
  throw new Error('did not throw');
}

describe('lowRank', () => {
  it('materializes the product of its factors', () => {
    const model = tinyModel(tinyGpt2);
    const parameter: Parameter = {
      path: 'h.0.attn.out.weight',
      kind: 'lowRank',
      settings: { rank: 2 },
      tensors: {
        left: float32([6, 2], [1, 0, 0, 1, 1, 1, 2, 0, 0, 2, -1, 1]),
        right: float32([2, 6], [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]),
      },
    };
    const dense = materializeParameter(replaceParameters(model, [parameter]), parameter.path);
    expect(dense.shape).toEqual([6, 6]);
    expect([...dense.data.slice(0, 6)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...dense.data.slice(12, 18)]).toEqual([11, 22, 33, 44, 55, 66]);
    expect([...dense.data.slice(30, 36)]).toEqual([9, 18, 27, 36, 45, 54]);
  });

  for (const config of [tinyGpt2, tinyLlama, { ...tinyLlama, tiedHead: true }]) {
    it(`gives the logits of the dense weights it stands for, embedding and tied=${config.tiedHead} head included (${config.architecture})`, async () => {
      const model = tinyModel(config);
      const matrices = [...parameterSpecs(model).values()].filter(({ role }) => role !== 'vector');
      const compressed = replaceParameters(
        model,
        matrices.map(({ path }, index) => lowRankParameter(model, path, 1 + (index % 4), index)),
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
      const sizes = { batch: 2, length: 5 };
      const fromFactors = await runGraph(buildLogitsGraph(compressed, sizes), compressed, { tokens });
      const fromDense = await runGraph(buildLogitsGraph(dense, sizes), dense, { tokens });
      expect(largestDifference(toNumbers(fromFactors['logits']!), toNumbers(fromDense['logits']!))).toBeLessThan(1e-5);
    });
  }

  it('is counted by its factors, logically by its dense shape', () => {
    const model = tinyModel(tinyGpt2);
    const before = parameterCounts(model);
    const after = parameterCounts(replaceParameters(model, [lowRankParameter(model, 'h.1.mlp.fc.weight', 2)]));
    expect(before.stored).toBe(before.logical);
    expect(after.logical).toBe(before.logical);
    expect(after.stored).toBe(before.stored - 6 * 10 + 2 * (6 + 10));
    expect(after.storedBytes).toBe(4 * after.stored);
    expect(before.storedInBlocks - after.storedInBlocks).toBe(28);
  });

  it('refuses ranks outside the matrix and settings that are no rank', () => {
    const spec = { path: 'h.0.x.weight', role: 'linear', shape: [6, 10] } as const;
    const withRank =
      (settings: Parameter['settings']): (() => void) =>
      () =>
        checkParameter(spec, { path: spec.path, kind: 'lowRank', settings, tensors: {} });
    expect(failure(withRank({ rank: 0 }))).toMatch(/\[rank_out_of_range\] h\.0\.x\.weight: rank 0 .*1\.\.6/);
    expect(failure(withRank({ rank: 7 }))).toMatch(/\[rank_out_of_range\]/);
    expect(failure(withRank({ rank: 2.5 }))).toMatch(/\[config_mismatch\].*rank/);
    expect(failure(withRank({}))).toMatch(/\[config_mismatch\].*rank/);
  });
});

describe('checks against the config', () => {
  const model = tinyModel(tinyGpt2);
  const withParameter = (parameter: Parameter): Model => replaceParameters(model, [parameter]);

  it('accepts a model that agrees', () => {
    expect(() => checkModel(model)).not.toThrow();
    expect(() => checkModel(tinyModel(tinyLlama))).not.toThrow();
  });

  it('names the tensor and both shapes when they differ', () => {
    const bad = withParameter(denseParameter('h.0.attn.qkv.weight', hostTensor('float32', [18, 6])));
    expect(failure(() => checkModel(bad))).toMatch(/\[config_mismatch\] h\.0\.attn\.qkv\.weight .*\[18, 6\].*\[6, 18\]/);
  });

  it('refuses missing, superfluous and unknown parameters, slots and kinds', () => {
    const missing = new Map(model.parameters);
    missing.delete('norm.bias');
    expect(failure(() => checkModel({ ...model, parameters: missing }))).toMatch(/norm\.bias/);
    const more = new Map(model.parameters).set('head.weight', denseParameter('head.weight', hostTensor('float32', [6, 23])));
    expect(failure(() => checkModel({ ...model, parameters: more }))).toMatch(/head\.weight/);
    expect(failure(() => replaceParameters(model, [denseParameter('h.9.ln1.weight', hostTensor('float32', [6]))]))).toMatch(
      /h\.9\.ln1\.weight/,
    );
    const value = hostTensor('float32', [6, 6]);
    const path = 'h.0.attn.out.weight';
    expect(failure(() => checkModel(withParameter({ path, kind: 'dense', settings: {}, tensors: { value, extra: value } })))).toMatch(
      /extra/,
    );
    expect(failure(() => checkModel(withParameter({ path, kind: 'dense', settings: {}, tensors: {} })))).toMatch(/missing/);
    expect(failure(() => checkModel(withParameter({ path, kind: 'woven', settings: {}, tensors: { value } })))).toMatch(
      /woven.*dense, lowRank/,
    );
    expect(failure(() => checkModel(withParameter(denseParameter(path, hostTensor('int32', [6, 6])))))).toMatch(/int32/);
    const vector: Parameter = { path: 'norm.bias', kind: 'lowRank', settings: { rank: 1 }, tensors: {} };
    expect(failure(() => checkModel(withParameter(vector)))).toMatch(/vector/);
  });
});

describe('stored tensors', () => {
  it('are named by the path when dense and by path and slot otherwise', () => {
    expect(storedName({ path: 'a.weight', kind: 'dense' }, 'value')).toBe('a.weight');
    expect(storedName({ path: 'a.weight', kind: 'lowRank' }, 'left')).toBe('a.weight.left');
    const model = tinyModel(tinyGpt2);
    const compressed = replaceParameters(model, [lowRankParameter(model, 'h.0.mlp.fc.weight', 2)]);
    const names = [...storedTensors(compressed).keys()];
    expect(names).toContain('h.0.mlp.fc.weight.left');
    expect(names).not.toContain('h.0.mlp.fc.weight');
    expect(trainableNames(compressed)).toEqual(names);
  });

  it('share everything that a replacement leaves alone', () => {
    const model = tinyModel(tinyGpt2);
    const changed = replaceParameters(model, [lowRankParameter(model, 'h.0.mlp.fc.weight', 2)]);
    expect(changed.parameters.get('h.1.mlp.fc.weight')).toBe(model.parameters.get('h.1.mlp.fc.weight'));
    expect(model.parameters.get('h.0.mlp.fc.weight')?.kind).toBe('dense');
    expect([...changed.parameters.keys()]).toEqual([...model.parameters.keys()]);
  });

  it('may be 16-bit floats: graphs compute with the widened values', async () => {
    const model = tinyModel(tinyGpt2);
    const half = replaceParameters(
      model,
      [...model.parameters.values()].map(({ path, tensors }) => denseParameter(path, castTensor(tensors['value']!, 'float16'))),
    );
    checkModel(half);
    expect(parameterCounts(half).storedBytes).toBe(parameterCounts(model).storedBytes / 2);
    const tokens = tokenRows([[1, 2, 3]]);
    const sizes = { batch: 1, length: 3 };
    const fromHalf = await runGraph(buildLogitsGraph(half, sizes), half, { tokens });
    const fromFull = await runGraph(buildLogitsGraph(model, sizes), model, { tokens });
    const difference = largestDifference(toNumbers(fromHalf['logits']!), toNumbers(fromFull['logits']!));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.02);
  });
});
