// The architectures: parameter lists, counts, and what their configurations change.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { architectureOf, checkConfig, type Gpt2Config, initializeModel, parameterCounts, parameterSpecs, rotaryFrequencies } from '#models';
import { sizeOf, toNumbers } from '#tensor';
import { tinyGpt2, tinyLlama } from './tiny-models.ts';

const gpt2Small: Gpt2Config = {
  ...tinyGpt2,
  vocabularySize: 50257,
  width: 768,
  layers: 12,
  heads: 12,
  feedForwardWidth: 3072,
  maxPositions: 1024,
};

function elements(specs: Iterable<{ readonly shape: readonly number[] }>): number {
  return [...specs].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

describe('parameters', () => {
  it('of GPT-2 small are 124,439,808, of one block 7,087,872', () => {
    const specs = architectureOf(gpt2Small).parameters(gpt2Small);
    expect(elements(specs)).toBe(124_439_808);
    expect(elements(specs.filter(({ block }) => block === 3))).toBe(7_087_872);
  });

  it('have distinct paths, with a head of their own only when untied', () => {
    for (const config of [tinyGpt2, tinyLlama]) {
      const paths = architectureOf(config)
        .parameters(config)
        .map(({ path }) => path);
      expect(new Set(paths).size).toBe(paths.length);
      expect(paths.includes('head.weight')).toBe(!config.tiedHead);
    }
  });

  it('of Llama have biases exactly where the config says', () => {
    const biasesOf = (attentionBias: boolean, feedForwardBias: boolean): number =>
      [...parameterSpecs({ config: { ...tinyLlama, attentionBias, feedForwardBias } }).keys()].filter((path) => path.endsWith('.bias'))
        .length;
    expect([biasesOf(false, false), biasesOf(true, false), biasesOf(false, true)]).toEqual([0, 8, 6]);
  });
});

describe('initializeModel', () => {
  it('starts gains that are stored less one at zero', () => {
    const model = initializeModel({ ...tinyLlama, gainsLessOne: true, queryKeyNorm: true, normsBehind: true }, new Random(1));
    for (const path of ['norm.weight', 'h.0.norm1.weight', 'h.1.attn.qNorm.weight', 'h.1.norm2Behind.weight'])
      expect(new Set(toNumbers(model.parameters.get(path)!.tensors['value']!)), path).toEqual(new Set([0]));
  });

  const config = { ...tinyGpt2, width: 32, heads: 4, feedForwardWidth: 128, layers: 8 };

  it('is the same for the same seed, and another for another', () => {
    const value = (seed: number): ArrayLike<number> =>
      toNumbers(initializeModel(config, new Random(seed)).parameters.get('h.3.mlp.fc.weight')!.tensors['value']!);
    expect(value(1)).toEqual(value(1));
    expect(value(1)).not.toEqual(value(2));
  });

  it('scales what writes to the residual stream, sets gains to one and biases to zero', () => {
    const model = initializeModel(config, new Random(3));
    const deviation = (path: string): number => {
      const numbers = Array.from(toNumbers(model.parameters.get(path)!.tensors['value']!));
      return Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0) / numbers.length);
    };
    expect(deviation('h.2.mlp.fc.weight')).toBeCloseTo(0.02, 2.5);
    expect(deviation('h.2.mlp.proj.weight')).toBeCloseTo(0.02 / 4, 3.5);
    expect(deviation('h.2.attn.out.weight')).toBeCloseTo(0.02 / 4, 3.5);
    expect(deviation('h.2.ln1.weight')).toBe(1);
    expect(deviation('h.2.ln1.bias')).toBe(0);
    expect(parameterCounts(model).stored).toBe(elements(parameterSpecs(model).values()));
  });
});

describe('checkConfig', () => {
  it('accepts what can be built', () => {
    for (const config of [tinyGpt2, tinyLlama, gpt2Small]) expect(() => checkConfig(config)).not.toThrow();
  });

  it.each([
    [{ ...tinyGpt2, heads: 4 }, /width 6 .* heads 4/],
    [{ ...tinyGpt2, layers: 0 }, /layers/],
    [{ ...tinyGpt2, vocabularySize: 2.5 }, /vocabularySize/],
    [{ ...tinyGpt2, endTokens: [23] }, /token 23/],
    [{ ...tinyLlama, keyValueHeads: 3 }, /keyValueHeads 3/],
    [{ ...tinyLlama, headWidth: 5 }, /headWidth/],
    [{ ...tinyLlama, slidingWindow: { size: 4, layers: [true] } }, /slidingWindow\.layers has 1 flags for 2 layers/],
    [{ ...tinyLlama, slidingWindow: { size: 0, layers: [true, false] } }, /slidingWindow\.size .*got 0/],
    [{ ...tinyLlama, slidingRotaryBase: 100 }, /slidingWindow is absent/],
    [{ ...tinyLlama, attentionSoftCap: 0 }, /attentionSoftCap must be positive, got 0/],
    [{ ...tinyLlama, queryScalar: Number.NaN }, /queryScalar/],
    [{ ...tinyLlama, rotaryScaling: { kind: 'linear', factor: 0 } as const }, /factor/],
    [{ ...tinyLlama, rotaryScaling: { kind: 'dynamic', factor: 2, originalMaxPositions: 0 } as const }, /originalMaxPositions/],
  ])('refuses a config that contradicts itself (%#)', (config, message) => {
    expect(() => checkConfig(config)).toThrow(/bad_config/);
    expect(() => checkConfig(config)).toThrow(message);
  });
});

describe('rotaryFrequencies', () => {
  const base = { headWidth: 8, rotaryBase: 10000 };

  it('fall geometrically', () => {
    const { frequencies, attentionFactor } = rotaryFrequencies({ ...base, rotaryScaling: { kind: 'none' } });
    expect([...frequencies].map((frequency) => Number(frequency.toPrecision(6)))).toEqual([1, 0.1, 0.01, 0.001]);
    expect(attentionFactor).toBe(1);
  });

  it('are all divided by the factor of linear scaling', () => {
    const { frequencies } = rotaryFrequencies({ ...base, rotaryScaling: { kind: 'linear', factor: 4 } });
    expect(frequencies[1]).toBeCloseTo(0.025, 7);
  });

  it('keep short waves and stretch long ones with llama3 and yarn', () => {
    const llama3 = { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 100 } as const;
    const yarn = { kind: 'yarn', factor: 8, betaFast: 32, betaSlow: 1, originalMaxPositions: 100 } as const;
    for (const rotaryScaling of [llama3, yarn]) {
      const { frequencies } = rotaryFrequencies({ ...base, rotaryScaling });
      expect(frequencies[0]).toBeCloseTo(1, 6);
      expect(frequencies[3]).toBeCloseTo(0.001 / 8, 9);
    }
    expect(rotaryFrequencies({ ...base, rotaryScaling: yarn }).attentionFactor).toBeCloseTo(0.1 * Math.log(8) + 1, 12);
    expect(rotaryFrequencies({ ...base, rotaryScaling: { ...yarn, attentionFactor: 0.5 } }).attentionFactor).toBe(0.5);
  });
});
