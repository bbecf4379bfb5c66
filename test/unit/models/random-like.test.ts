// Random weights in the shape of a stored model: the baseline of a distilled student.
import { describe, expect, it } from 'vitest';
import { checkModel, materializeParameter, parameterCounts, randomLike, replaceParameters, sparseSlot } from '#models';
import { tinyGpt2, tinyModel } from './tiny-models.ts';

describe('randomLike', () => {
  it('keeps the zeros of a sparse matrix and draws its other numbers', () => {
    const model = tinyModel(tinyGpt2);
    const path = 'h.0.mlp.fc.weight';
    const value = model.parameters.get(path)!.tensors['value']!;
    const keeps = Uint8Array.from({ length: value.data.length }, (_, index) => index % 2);
    const sparse = replaceParameters(model, [{ path, kind: 'dense', ...sparseSlot('value', value, keeps) }]);
    const random = randomLike(sparse, 3);
    checkModel(random);
    expect(parameterCounts(random).storedBytes).toBe(parameterCounts(sparse).storedBytes);
    const numbers = materializeParameter(random, path).data;
    expect([...numbers].every((number, index) => (number === 0) === (keeps[index] === 0))).toBe(true);
    expect(numbers).not.toEqual(materializeParameter(sparse, path).data);
  });
});
