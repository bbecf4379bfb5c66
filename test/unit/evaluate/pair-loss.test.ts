// How likely given targets are: the same in any order and in any number of runs, a uniform guess where the model knows nothing, an error where it holds NaN.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluatePairs } from '#evaluate';
import { initializeModel, type Model, replaceParameters } from '#models';
import { hostTensor, sizeOf } from '#tensor';
import { tinyPairs, tinySequences } from '#test/tiny-pairs';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

const model = initializeModel(tinySequences, new Random(3), 0.4);

/** The model with every stored number replaced. */
function filledWith(value: number): Model {
  const changed = [...model.parameters].map(([path, parameter]) => {
    const tensors = Object.entries(parameter.tensors).map(
      ([name, { shape }]) => [name, hostTensor('float32', shape, new Float32Array(sizeOf(shape)).fill(value))] as const,
    );
    return { ...parameter, path, tensors: Object.fromEntries(tensors) };
  });
  return replaceParameters(model, changed);
}

describe('evaluatePairs', () => {
  it('weighs every token of the targets alike, whichever run it is in', async () => {
    const whole = await evaluatePairs(model, tinyPairs, engine, quietContext);
    const turned = await evaluatePairs(model, { pairs: [...tinyPairs.pairs].reverse() }, engine, quietContext);
    let [loss, tokens] = [0, 0];
    for (const pair of tinyPairs.pairs) {
      const one = await evaluatePairs(model, { pairs: [pair] }, engine, quietContext);
      loss += one.lossNats * one.tokens;
      tokens += one.tokens;
    }
    expect(whole.tokens).toBe(tinyPairs.pairs.reduce((sum, { target }) => sum + target.length, 0));
    expect(whole.tokens).toBe(tokens);
    expect(whole.lossNats).toBeCloseTo(loss / tokens, 5);
    expect(turned.lossNats).toBeCloseTo(whole.lossNats, 5);
    expect(turned.accuracy).toBeCloseTo(whole.accuracy, 9);
  });

  it('finds all tokens equally likely with weights of zero', async () => {
    const { lossNats } = await evaluatePairs(filledWith(0), tinyPairs, engine, quietContext);
    expect(lossNats).toBeCloseTo(Math.log(tinySequences.vocabularySize), 5);
  });

  it('refuses weights that are not finite', async () => {
    const failed = await evaluatePairs(filledWith(Number.NaN), tinyPairs, engine, quietContext).catch(AppError.from);
    expect(failed).toMatchObject({ code: 'bad_weights', message: expect.stringContaining('loss is not finite') as string });
  });
});
