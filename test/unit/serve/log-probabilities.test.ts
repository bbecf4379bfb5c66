// Log probabilities of tokens and of the likeliest ones, against sorting everything.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankToken } from '#serve';

const logitRows = fc
  .array(fc.oneof(fc.double({ min: -20, max: 20, noNaN: true }), fc.constantFrom(0, 1, 2)), { minLength: 1, maxLength: 60 })
  // Values that differ are apart by more than rounding.
  .map((values) => Float32Array.from(values, (value) => Math.round(value * 512) / 512));

describe('rankToken', () => {
  it('answers ln p of a token, and of the likeliest in falling order, lower ids first among equals', () => {
    fc.assert(
      fc.property(logitRows, fc.nat(), fc.integer({ min: 0, max: 25 }), (logits, place, numTop) => {
        const id = place % logits.length;
        const logTotal = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
        const sorted = [...logits.keys()].sort((left, right) => logits[right]! - logits[left]! || left - right).slice(0, numTop);
        const ranks = rankToken(logits, id, numTop);
        expect(ranks.id).toBe(id);
        expect(ranks.logProbability).toBeCloseTo(logits[id]! - logTotal, 6);
        expect(ranks.top.map((token) => token.id)).toEqual(sorted);
        for (const token of ranks.top) expect(token.logProbability).toBeCloseTo(logits[token.id]! - logTotal, 6);
      }),
    );
  });
});
