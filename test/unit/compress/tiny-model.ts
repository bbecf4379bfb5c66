// Small models and calibration windows for the compression tests.
import { Random } from '#base';
import type { TokenWindows } from '#compress';
import { type Gpt2Config, initializeModel, type LlamaConfig, type Model, type ModelConfig } from '#models';
import { type HostTensor, int64 } from '#tensor';

const common = {
  vocabularySize: 40,
  width: 16,
  layers: 2,
  heads: 4,
  feedForwardWidth: 32,
  maxPositions: 24,
  normEpsilon: 1e-5,
  endTokens: [0],
};

export const gpt2Config: Gpt2Config = { ...common, architecture: 'gpt2', tiedHead: true, activation: 'geluTanh' };

export const llamaConfig: LlamaConfig = {
  ...common,
  architecture: 'llama',
  tiedHead: false,
  keyValueHeads: 2,
  headWidth: 4,
  rotaryBase: 10000,
  rotaryScaling: { kind: 'none' },
  activation: 'silu',
  attentionBias: false,
  feedForwardBias: false,
};

export function tinyModel(config: ModelConfig = gpt2Config, seed = 1): Model {
  return initializeModel(config, new Random(seed), 0.3);
}

/** `count` windows of [2, 12] random tokens, the same each time. */
export function tinyWindows(count = 3, vocabularySize = common.vocabularySize): TokenWindows {
  return async function* windows(): AsyncGenerator<HostTensor<'int64'>> {
    const random = new Random(7);
    for (let index = 0; index < count; index++)
      yield int64(
        [2, 12],
        Array.from({ length: 24 }, () => random.integer(vocabularySize)),
      );
  };
}
