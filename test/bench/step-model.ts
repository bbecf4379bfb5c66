// The model whose training steps are timed against PyTorch: GPT-2 in the size that both sides are told.
import type { Gpt2Config } from '#models';

/** As `peer.py` reads it. */
export interface StepSize {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly positions: number;
}

export function stepConfig({ layers, width, heads, vocabulary, positions }: StepSize): Gpt2Config {
  return {
    architecture: 'gpt2',
    vocabularySize: vocabulary,
    width,
    layers,
    heads,
    feedForwardWidth: 4 * width,
    maxPositions: positions,
    tiedHead: true,
    normEpsilon: 1e-5,
    endTokens: [0],
    activation: 'geluTanh',
  };
}
