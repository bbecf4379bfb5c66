// Sampling against its definitions.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { checkSampling, Sampler, type SamplingOptions } from '#serve';

/** What the filters keep, written as the definitions say: sort everything, then cut. */
function keptByDefinition(logits: Float32Array, options: SamplingOptions): Set<number> {
  const { temperature, topK, topP, minP } = checkSampling(options);
  const largest = Math.max(...logits);
  const order = Array.from(logits, (logit, id) => ({ id, weight: Math.exp((logit - largest) / temperature) }));
  order.sort((left, right) => right.weight - left.weight || left.id - right.id);
  const cut = topK > 0 ? order.slice(0, topK) : order;
  const total = cut.reduce((sum, { weight }) => sum + weight, 0);
  let mass = 0;
  const kept = cut.filter(({ weight }) => {
    const isKept = topP === 1 || mass < topP * total;
    mass += weight;
    return isKept;
  });
  return new Set(kept.filter(({ weight }) => weight >= minP).map(({ id }) => id));
}

const logitRows = fc
  .array(fc.oneof(fc.double({ min: -9, max: 9, noNaN: true }), fc.constantFrom(0, 1, 2)), { minLength: 1, maxLength: 40 })
  // Values that differ have weights that differ.
  .map((values) => Float32Array.from(values, (value) => Math.round(value * 512) / 512));

const filters = fc.record({
  temperature: fc.double({ min: 0.2, max: 3, noNaN: true }),
  topK: fc.integer({ min: 0, max: 12 }),
  topP: fc.oneof(fc.constant(1), fc.double({ min: 0.05, max: 0.95, noNaN: true })),
  minP: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.9, noNaN: true })),
  seed: fc.integer(),
});

describe('Sampler', () => {
  it('takes the first of the likeliest tokens without a temperature', () => {
    fc.assert(
      fc.property(logitRows, (logits) => {
        expect(new Sampler({}).choose(logits)).toBe(logits.indexOf(Math.max(...logits)));
      }),
    );
  });

  it('draws only what top-k, top-p and min-p keep by their definitions', () => {
    fc.assert(
      fc.property(logitRows, filters, (logits, options) => {
        const kept = keptByDefinition(logits, options);
        const sampler = new Sampler(options);
        for (let draw = 0; draw < 20; draw++) expect(kept).toContain(sampler.choose(logits));
      }),
    );
  });

  it.each([
    ['temperature alone', { temperature: 0.7 }],
    ['top-k', { temperature: 1.3, topK: 4 }],
    ['top-p', { temperature: 1, topP: 0.8 }],
    ['top-p within top-k', { temperature: 1, topK: 5, topP: 0.9 }],
    ['min-p', { temperature: 1, minP: 0.2 }],
  ])('draws each kept token as often as its probability says: %s', (_, options) => {
    const logits = Float32Array.of(1, 0.5, -0.5, 2, 1.5, -2, 0, 1);
    const kept = [...keptByDefinition(logits, options)];
    const weights = kept.map((id) => Math.exp(logits[id]! / options.temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const sampler = new Sampler({ ...options, seed: 11 });
    const counts = new Map<number, number>();
    const draws = 20000;
    for (let draw = 0; draw < draws; draw++) {
      const id = sampler.choose(logits);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(kept.sort());
    // Five standard deviations of a binomial share.
    kept.forEach((id, index) => {
      const share = Math.exp(logits[id]! / options.temperature) / total;
      expect(weights[index]).toBeGreaterThan(0);
      expect(Math.abs((counts.get(id) ?? 0) / draws - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / draws));
    });
  });

  it('keeps enough of a flat distribution over many tokens', () => {
    const random = new Random(3);
    const logits = Float32Array.from({ length: 3000 }, () => 0.01 * random.normal());
    logits[17] = 9; // the others are below the weight that is sorted first
    const options = { temperature: 1, topP: 0.9, seed: 5 };
    const kept = keptByDefinition(logits, options);
    const sampler = new Sampler(options);
    const drawn = new Set(Array.from({ length: 300 }, () => sampler.choose(logits)));
    expect(kept.size).toBeGreaterThan(200);
    expect(drawn.size).toBeGreaterThan(40);
    expect([...drawn].filter((id) => !kept.has(id))).toEqual([]);
  });

  it('divides positive and multiplies negative logits of tokens that occurred, prompt included', () => {
    const sampler = new Sampler({ repetitionPenalty: 2 }, { prompt: [0] });
    // 3/2 < 2: the prompt's token loses, then the chosen one loses too.
    expect(sampler.choose(Float32Array.of(3, 2, 1.4, -1))).toBe(1);
    expect(sampler.choose(Float32Array.of(3, 2, 1.6, -1))).toBe(2);
    expect(new Sampler({ repetitionPenalty: 2 }, { prompt: [0] }).choose(Float32Array.of(-1, -1.5))).toBe(1);
  });

  it('draws the same tokens from the same seed and others from another', () => {
    const random = new Random(1);
    const rows = Array.from({ length: 30 }, () => Float32Array.from({ length: 50 }, () => random.normal()));
    const draw = (seed: number): number[] => {
      const sampler = new Sampler({ temperature: 1, topP: 0.95, seed });
      return rows.map((row) => sampler.choose(row));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(8)).not.toEqual(draw(7));
  });

  it('does not change the logits', () => {
    const logits = Float32Array.of(1, 2, 3);
    new Sampler({ temperature: 1, topK: 2, repetitionPenalty: 3 }, { prompt: [2] }).choose(logits);
    expect([...logits]).toEqual([1, 2, 3]);
  });

  it('refuses logits without a finite largest one', () => {
    expect(() => new Sampler({}).choose(Float32Array.of(Number.NaN, Number.NaN))).toThrow(/bad_weights/);
  });

  it.each([
    ['temperature', { temperature: -1 }],
    ['temperature', { temperature: Number.NaN }],
    ['topK', { topK: 1.5 }],
    ['topP', { topP: 0 }],
    ['topP', { topP: 1.1 }],
    ['minP', { minP: -0.1 }],
    ['repetitionPenalty', { repetitionPenalty: 0 }],
    ['frequencyPenalty', { frequencyPenalty: 2.1 }],
    ['frequencyPenalty', { frequencyPenalty: Number.NaN }],
    ['presencePenalty', { presencePenalty: -2.1 }],
    ['logitBias', { logitBias: new Map([[3, 101]]) }],
    ['logitBias', { logitBias: new Map([[3, Number.NaN]]) }],
    ['seed', { seed: 0.5 }],
  ])('refuses a bad %s', (field, options) => {
    expect(() => new Sampler(options)).toThrow(new RegExp(`invalid_argument.*${field}`));
  });
});
