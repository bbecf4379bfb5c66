// config.json of Llama's relatives: what each model type says otherwise, and what is refused.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LlamaConfig } from '#models';
import { exportHuggingFace, importHuggingFace, readHuggingFaceConfig, writeHuggingFaceConfig } from '#store';
import { smallCase } from '../../../golden/golden.ts';
import { temporaryFolder } from '../../../support/temporary.ts';
import { tinyLlama, tinyModel, tinyTokenizer } from '../models.ts';

const sizes = {
  vocab_size: 100,
  hidden_size: 12,
  intermediate_size: 20,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 6,
};

function read(model_type: string, fields: object = {}): LlamaConfig {
  return readHuggingFaceConfig(JSON.parse(JSON.stringify({ model_type, ...sizes, ...fields }))) as LlamaConfig;
}

describe("config.json of Llama's relatives", () => {
  it('gives Mistral a window in every layer, by default of 4096', () => {
    expect(read('mistral')).toMatchObject({ slidingWindow: { size: 4096, layers: [true, true, true, true] }, maxPositions: 131_072 });
    expect(read('mistral', { sliding_window: 7 }).slidingWindow?.size).toBe(7);
    expect(read('mistral', { sliding_window: null })).not.toHaveProperty('slidingWindow');
  });

  it('gives Qwen2 biases for queries, keys and values only', () => {
    expect(read('qwen2')).toMatchObject({ attentionBias: true, attentionOutputBias: false, feedForwardBias: false });
    expect(read('qwen2')).not.toHaveProperty('queryKeyNorm');
  });

  it('gives Qwen a window only where it is switched on, in the layers behind the first', () => {
    expect(read('qwen2', { sliding_window: 8 })).not.toHaveProperty('slidingWindow');
    const window = { use_sliding_window: true, sliding_window: 8, max_window_layers: 3 };
    expect(read('qwen2', window).slidingWindow).toEqual({ size: 8, layers: [false, false, false, true] });
    expect(read('qwen3', { ...window, layer_types: Array(4).fill('sliding_attention') }).slidingWindow?.layers).toEqual(
      Array(4).fill(true),
    );
  });

  it('gives Qwen3 norms of queries and keys', () => {
    expect(read('qwen3')).toMatchObject({ queryKeyNorm: true, attentionBias: false });
    expect(read('qwen3', { head_dim: undefined }).headWidth).toBe(128);
  });

  it('gives Gemma a scaled embedding, gains less one and a tied head', () => {
    expect(read('gemma')).toMatchObject({ scaledEmbedding: true, gainsLessOne: true, tiedHead: true, activation: 'geluTanh' });
    expect(read('gemma', { hidden_act: 'gelu' }).activation).toBe('geluTanh');
    expect(read('gemma', { hidden_act: 'gelu', hidden_activation: 'gelu' }).activation).toBe('gelu');
  });

  it('gives Gemma 2 norms behind, bounds, its query scalar and a window in every second layer', () => {
    expect(read('gemma2')).toMatchObject({
      normsBehind: true,
      queryScalar: 256,
      attentionSoftCap: 50,
      logitSoftCap: 30,
      slidingWindow: { size: 4096, layers: [true, false, true, false] },
    });
    expect(read('gemma2', { final_logit_softcapping: null })).not.toHaveProperty('logitSoftCap');
  });

  it('gives Gemma 3 two rotary bases, in the old form and the new one', () => {
    const wanted = {
      queryKeyNorm: true,
      normsBehind: true,
      rotaryBase: 70_000,
      rotaryScaling: { kind: 'linear', factor: 8 },
      slidingRotaryBase: 300,
      slidingWindow: { size: 4096, layers: [true, false, true, false] },
    };
    const old = {
      rope_theta: 70_000,
      rope_local_base_freq: 300,
      rope_scaling: { rope_type: 'linear', factor: 8 },
      sliding_window_pattern: 2,
    };
    const rope_parameters = {
      full_attention: { rope_type: 'linear', factor: 8, rope_theta: 70_000 },
      sliding_attention: { rope_type: 'default', rope_theta: 300 },
    };
    expect(read('gemma3_text', old)).toMatchObject(wanted);
    expect(read('gemma3_text', { rope_parameters, sliding_window_pattern: 2 })).toEqual(read('gemma3_text', old));
    expect(read('gemma3_text')).toMatchObject({ rotaryBase: 1_000_000, slidingRotaryBase: 10_000 });
    expect(read('gemma3_text')).not.toHaveProperty('attentionSoftCap');
  });

  const names = ['mistral', 'qwen2', 'qwen2-window', 'qwen3', 'gemma', 'gemma2', 'gemma3'] as const;
  it.each(names)('reads back what it writes for %s', (name) => {
    const config = smallCase(name).config as LlamaConfig;
    const json = writeHuggingFaceConfig(config, 'float32');
    expect(json['model_type']).toBe(name === 'gemma3' ? 'gemma3_text' : name.split('-')[0]);
    expect(readHuggingFaceConfig(json)).toMatchObject(config);
    expect(writeHuggingFaceConfig(readHuggingFaceConfig(json), 'float32')).toEqual(json);
  });

  it.each(names)('gives back an exported %s', async (name) => {
    const config = { ...smallCase(name).config, vocabularySize: 13 } as LlamaConfig;
    const folder = join(temporaryFolder(), 'model');
    const model = tinyModel(config);
    await exportHuggingFace(model, tinyTokenizer(13), folder);
    const { model: again } = await importHuggingFace(folder);
    for (const [path, { tensors }] of model.parameters) expect(again.parameters.get(path)?.tensors, path).toEqual(tensors);
  });

  it('writes bounds as the floats that transformers asks for', async () => {
    const folder = join(temporaryFolder(), 'model');
    await exportHuggingFace(tinyModel({ ...read('gemma2'), vocabularySize: 13, endTokens: [] }), tinyTokenizer(13), folder);
    const text = readFileSync(join(folder, 'config.json'), 'utf8');
    expect(text).toMatch(/"attn_logit_softcapping": 50\.0,/);
    expect(text).toMatch(/"final_logit_softcapping": 30\.0/);
  });

  const bad: readonly (readonly [what: string, model_type: string, fields: object, message: RegExp])[] = [
    ['attention to later tokens', 'gemma2', { use_bidirectional_attention: true }, /use_bidirectional_attention: .*found true/],
    ['a bound that Gemma 3 would not apply', 'gemma3_text', { attn_logit_softcapping: 50 }, /attn_logit_softcapping: .*found 50/],
    ['an unknown kind of layer', 'qwen3', { layer_types: ['full_attention', 'linear_attention'] }, /layer_types.*linear_attention/],
    ['too few kinds of layers', 'gemma2', { layer_types: ['full_attention'] }, /layer_types: names 1 layers of 4/],
    ['windows without a size', 'gemma2', { sliding_window: null }, /sliding_window: is null/],
    ['full layers in Mistral', 'mistral', { layer_types: Array(4).fill('full_attention') }, /layer_types/],
    ['biases in Mistral', 'mistral', { attention_bias: true }, /attention_bias: .*found true/],
    ['rotation in sections', 'qwen2', { use_mrope: true }, /use_mrope: .*found true/],
    ['chunked attention', 'qwen2', { dual_chunk_attention_config: { chunk_size: 8 } }, /dual_chunk_attention_config/],
    [
      'scaled rotation in sliding layers',
      'gemma3_text',
      { rope_parameters: { sliding_attention: { rope_type: 'linear', factor: 2 } } },
      /sliding_attention\.rope_type: "linear"/,
    ],
    [
      'dynamic rotation in Gemma 3',
      'gemma3_text',
      { rope_scaling: { rope_type: 'dynamic', factor: 2 } },
      /full_attention\.rope_type: "dynamic"/,
    ],
    ['partial rotation', 'qwen3', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    ['a bound of zero', 'gemma2', { final_logit_softcapping: 0 }, /final_logit_softcapping: .*found 0/],
  ];
  it.each(bad)('refuses %s and names the field', (_what, type, fields, message) => {
    expect(() => read(type, fields)).toThrow(expect.objectContaining({ code: 'bad_config', message: expect.stringMatching(message) }));
  });

  it('refuses Gemma 3 with images by its model type', () => {
    expect(() => read('gemma3')).toThrow(/\[unknown_architecture\].*"gemma3" is not supported; supported are .*gemma3_text/);
  });

  it.each<[string, Partial<LlamaConfig>, RegExp]>([
    ['bounded logits in a Llama', { logitSoftCap: 3 }, /"logitSoftCap" cannot be written.*nearest is llama/],
    [
      'a window and biases',
      { attentionBias: true, slidingWindow: { size: 3, layers: [true, true] } },
      /"attentionOutputBias".*nearest is mistral/,
    ],
    ['a window in some layers without norms', { slidingWindow: { size: 3, layers: [true, false] } }, /slidingWindow|layer/],
  ])('refuses to write %s, which no model type has', (_what, change, message) => {
    expect(() => writeHuggingFaceConfig({ ...tinyLlama, ...change }, 'float32')).toThrow(message);
  });
});
