// What is left of logits against transformers: its processors in its order, on random logits.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drawToken, probabilityOf, Sampler, type SamplingOptions } from '#serve';
import { expectAllClose } from '#test/allclose';

interface SamplingCase {
  readonly name: string;
  readonly settings: {
    readonly temperature?: number;
    readonly top_k?: number;
    readonly top_p?: number;
    readonly min_p?: number;
    readonly repetition_penalty?: number;
    readonly min_new_tokens?: number;
    readonly sequence_bias?: readonly (readonly [readonly [number], number])[];
  };
  readonly endToken: number;
  readonly prompt: readonly number[];
  readonly generated: readonly number[];
  /** One row for each number of generated tokens from 0 on. */
  readonly logits: readonly (readonly number[])[];
  readonly probabilities: readonly (readonly number[])[];
}

const cases = JSON.parse(readFileSync(new URL('data/sampling.json', import.meta.url), 'utf8')) as readonly SamplingCase[];

function samplerOf({ settings, endToken, prompt }: SamplingCase): Sampler {
  const { temperature = 1, top_k: topK = 0, top_p: topP = 1, min_p: minP = 0, repetition_penalty: repetitionPenalty = 1 } = settings;
  const logitBias = new Map((settings.sequence_bias ?? []).map(([[id], bias]) => [id, bias]));
  const options: SamplingOptions = { temperature, topK, topP, minP, repetitionPenalty, logitBias };
  return new Sampler(options, { prompt, endTokens: new Set([endToken]), minNewTokens: settings.min_new_tokens ?? 0 });
}

describe('sampling', () => {
  it.each(cases.map((golden) => [golden.name, golden] as const))('leaves the probabilities of transformers: %s', (_, golden) => {
    const sampler = samplerOf(golden);
    for (const [row, logits] of golden.logits.entries()) {
      const wanted = golden.probabilities[row]!;
      const distribution = sampler.distribution(Float32Array.from(logits));
      const found = wanted.map((_, id) => probabilityOf(distribution, id));
      expectAllClose(found, wanted, { absolute: 2e-6, relative: 1e-5, what: `row ${row}` });
      expect(found.map((share) => share > 0)).toEqual(wanted.map((share) => share > 0));
      for (let draw = 0; draw < 50; draw++) expect(wanted[drawToken(distribution, sampler.random)]).toBeGreaterThan(0);
      if (row < golden.generated.length) sampler.push(golden.generated[row]!);
    }
  });
});
