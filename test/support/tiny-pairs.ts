// The smallest encoder-decoder and pairs that it can learn.
import type { EncoderDecoderConfig } from '#models';
import type { PairCorpus } from '#text';

/** An encoder-decoder of one layer each. */
export const tinySequences: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 31,
  width: 8,
  layers: 1,
  heads: 2,
  headWidth: 4,
  feedForwardWidth: 16,
  encoder: { layers: 1, heads: 2, headWidth: 4, feedForwardWidth: 16 },
  maxPositions: 16,
  tiedHead: true,
  normEpsilon: 1e-5,
  norm: 'layer',
  normPlacement: 'before',
  embeddingNorm: false,
  finalNorm: true,
  positions: { kind: 'learned', offset: 0 },
  biases: true,
  headBias: false,
  scaledEmbedding: false,
  scaledScores: true,
  scaledHead: false,
  gated: false,
  activation: 'relu',
  startToken: 1,
  padToken: 0,
  endTokens: [2],
};

/** A word and another, and words that follow from them. */
export const tinyPairs: PairCorpus = {
  pairs: Array.from({ length: 24 }, (_, index) => {
    const word = 3 + (index % 12);
    return { source: Int32Array.of(word, word + 5, 2), target: Int32Array.of(word + 9, word + 14, word, 2).subarray(0, 3 + (index % 2)) };
  }),
  numTooLong: 0,
  fingerprint: 'pairs',
  tokenizerHash: 'tiny',
};
