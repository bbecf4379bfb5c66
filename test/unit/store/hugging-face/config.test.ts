// config.json of GPT-2 and Llama: what becomes of its fields, and errors that name them.
import { describe, expect, it } from 'vitest';
import type { LlamaConfig, ModelConfig, RotaryScaling } from '#models';
import { readHuggingFaceConfig, writeHuggingFaceConfig } from '#store';
import { tinyGpt2, tinyLlama } from '../models.ts';

const gpt2 = { model_type: 'gpt2', vocab_size: 100, n_positions: 32, n_embd: 12, n_layer: 2, n_head: 3 };
const llama = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 12,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 3,
};

describe('config.json', () => {
  it('fills in what transformers leaves out of a GPT-2 config', () => {
    expect(readHuggingFaceConfig(gpt2)).toEqual({
      architecture: 'gpt2',
      vocabularySize: 100,
      width: 12,
      layers: 2,
      heads: 3,
      feedForwardWidth: 48,
      maxPositions: 32,
      tiedHead: true,
      normEpsilon: 1e-5,
      activation: 'geluTanh',
      endTokens: [],
    });
  });

  it('fills in what transformers leaves out of a Llama config', () => {
    expect(readHuggingFaceConfig(llama)).toMatchObject({
      keyValueHeads: 3,
      headWidth: 4,
      maxPositions: 2048,
      tiedHead: false,
      normEpsilon: 1e-6,
      activation: 'silu',
      rotaryBase: 10_000,
      rotaryScaling: { kind: 'none' },
      attentionBias: false,
      feedForwardBias: false,
    });
  });

  it.each([
    ['gelu_new', 'geluTanh'],
    ['gelu_pytorch_tanh', 'geluTanh'],
    ['gelu', 'gelu'],
    ['silu', 'silu'],
    ['swish', 'silu'],
  ])('reads the activation %s as %s', (name, activation) => {
    expect(readHuggingFaceConfig({ ...gpt2, activation_function: name }).activation).toBe(activation);
    expect(readHuggingFaceConfig({ ...llama, hidden_act: name }).activation).toBe(activation);
  });

  it('reads end tokens as a number, a list or nothing', () => {
    const ends = (eos_token_id: unknown): readonly number[] => readHuggingFaceConfig({ ...llama, eos_token_id }).endTokens;
    expect([ends(5), ends([5, 6]), ends(null)]).toEqual([[5], [5, 6], []]);
  });

  it("takes GPT-2's default token for none where the vocabulary is smaller", () => {
    const config = readHuggingFaceConfig({ ...gpt2, bos_token_id: 50256, eos_token_id: 50256 });
    expect(config.endTokens).toEqual([]);
    expect(config).not.toHaveProperty('beginToken');
  });

  const scalings: readonly (readonly [object, RotaryScaling])[] = [
    [{ rope_type: 'default' }, { kind: 'none' }],
    [
      { type: 'linear', factor: 2 },
      { kind: 'linear', factor: 2 },
    ],
    [
      { type: 'dynamic', factor: 4 },
      { kind: 'dynamic', factor: 4, originalMaxPositions: 64 },
    ],
    [
      { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 },
      { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 32 },
    ],
    [
      { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 32 },
      { kind: 'yarn', factor: 2, originalMaxPositions: 32, betaFast: 32, betaSlow: 1 },
    ],
    [
      { rope_type: 'yarn', factor: null, original_max_position_embeddings: 16, beta_fast: 8, beta_slow: 2, attention_factor: 1.25 },
      { kind: 'yarn', factor: 4, originalMaxPositions: 16, betaFast: 8, betaSlow: 2, attentionFactor: 1.25 },
    ],
  ];
  it.each(scalings)('reads the rotary scaling %j in the old form and the new one', (fields, expected) => {
    const base = { ...llama, max_position_embeddings: 64 };
    const old = readHuggingFaceConfig({ ...base, rope_theta: 777, rope_scaling: fields }) as LlamaConfig;
    const current = readHuggingFaceConfig({ ...base, rope_parameters: { ...fields, rope_theta: 777 } }) as LlamaConfig;
    expect(old.rotaryScaling).toEqual(expected);
    expect(old.rotaryBase).toBe(777);
    expect(current).toEqual(old);
  });

  it('lets dynamic scaling reach factor times the positions of pre-training', () => {
    expect(
      readHuggingFaceConfig({ ...llama, max_position_embeddings: 64, rope_scaling: { type: 'dynamic', factor: 4 } }).maxPositions,
    ).toBe(256);
  });

  it('computes the attention factor of yarn from its two scales', () => {
    const rope_scaling = { type: 'yarn', factor: Math.E, mscale: 2, mscale_all_dim: 1 };
    const config = readHuggingFaceConfig({ ...llama, rope_scaling }) as LlamaConfig;
    expect(config.rotaryScaling).toMatchObject({ attentionFactor: expect.closeTo(1.2 / 1.1, 12) });
  });

  const scaled = (rotaryScaling: RotaryScaling): ModelConfig => ({ ...tinyLlama, maxPositions: 32, rotaryScaling });
  const roundTrips: readonly ModelConfig[] = [
    tinyGpt2,
    { ...tinyGpt2, tiedHead: false, activation: 'gelu', endTokens: [] },
    { ...tinyGpt2, activation: 'relu', endTokens: [1, 2] },
    { ...tinyGpt2, activation: 'silu' },
    tinyLlama,
    { ...tinyLlama, attentionBias: true, feedForwardBias: true, tiedHead: true, activation: 'geluTanh' },
    scaled({ kind: 'linear', factor: 2 }),
    scaled({ kind: 'dynamic', factor: 2, originalMaxPositions: 16 }),
    scaled({ kind: 'llama3', factor: 2, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 16 }),
    scaled({ kind: 'yarn', factor: 2, originalMaxPositions: 16, betaFast: 8, betaSlow: 2, attentionFactor: 1.5 }),
  ];
  it.each(roundTrips)('reads back what it writes: %j', (config) => {
    expect(readHuggingFaceConfig(writeHuggingFaceConfig(config, 'float32'))).toEqual(config);
  });

  const bad: readonly (readonly [what: string, json: unknown, message: RegExp])[] = [
    ['text in place of a number', { ...gpt2, n_layer: 'two' }, /n_layer: expected number.*found "two"/],
    ['a missing field', { ...gpt2, n_embd: undefined }, /n_embd: .*found nothing/],
    ['a size of zero', { ...llama, hidden_size: 0 }, /hidden_size: .*found 0/],
    ['a fractional size', { ...llama, num_hidden_layers: 1.5 }, /num_hidden_layers: .*found 1\.5/],
    ['a width that heads do not divide', { ...gpt2, n_embd: 13 }, /n_embd: 13 is not a multiple of n_head 3/],
    ['heads that do not divide', { ...llama, num_key_value_heads: 2 }, /num_attention_heads: 3 is not a multiple of num_key_value_heads 2/],
    ['an odd head width', { ...llama, head_dim: 5 }, /head_dim: 5 is odd/],
    ['an unknown activation', { ...gpt2, activation_function: 'mish' }, /activation_function: .*found "mish"/],
    ['an activation that the family has not', { ...llama, hidden_act: 'relu' }, /hidden_act: .*found "relu"/],
    ['another attention scale', { ...gpt2, scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx: .*found true/],
    ['a quantized checkpoint', { ...llama, quantization_config: { bits: 4 } }, /quantization_config: quantized checkpoints are not read/],
    ['an end token outside the vocabulary', { ...llama, eos_token_id: [2, 100] }, /eos_token_id: 100 is outside the vocabulary 0\.\.99/],
    ['an unknown rotary scaling', { ...llama, rope_scaling: { type: 'longrope' } }, /rope_scaling\.rope_type: "longrope" is not supported/],
    [
      'a scaling without factor',
      { ...llama, rope_parameters: { rope_type: 'linear' } },
      /rope_parameters\.factor: "linear" needs a positive/,
    ],
    ['partial rotation', { ...llama, partial_rotary_factor: 0.5 }, /partial_rotary_factor: 0\.5 is not supported/],
    ['a factor that is text', { ...llama, rope_scaling: { type: 'linear', factor: '2' } }, /rope_scaling\.factor: .*found "2"/],
    ['no model type', { vocab_size: 3 }, /model_type: is missing; supported are gpt2, llama/],
    ['a list', [], /config\.json: expected/],
  ];
  it.each(bad)('refuses %s and names the field', (_what, json, message) => {
    expect(() => readHuggingFaceConfig(json)).toThrow(
      expect.objectContaining({ code: 'bad_config', message: expect.stringMatching(message) }),
    );
  });

  it('names the supported architectures when it knows not the one given', () => {
    expect(() => readHuggingFaceConfig({ model_type: 'mamba' })).toThrow(
      /\[unknown_architecture\].*"mamba" is not supported; supported are gpt2, llama/,
    );
    expect(() => readHuggingFaceConfig({ model_type: 'toString' })).toThrow(/unknown_architecture/);
  });
});
