// The shape of GPT-2 small, for benchmarks where weights do not matter.
import type { Gpt2Config } from '#models';

export const gpt2Small: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: 50257,
  width: 768,
  layers: 12,
  heads: 12,
  feedForwardWidth: 3072,
  maxPositions: 1024,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [50256],
  activation: 'geluTanh',
};
