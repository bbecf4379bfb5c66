// Original file: proto/athanor/v1/recipe.proto

import type { SafeEmbedding as _athanor_v1_SafeEmbedding, SafeEmbedding__Output as _athanor_v1_SafeEmbedding__Output } from '../../athanor/v1/SafeEmbedding.ts';
import type { Halting as _athanor_v1_Halting, Halting__Output as _athanor_v1_Halting__Output } from '../../athanor/v1/Halting.ts';

/**
 * Layers become one stored layer that is applied at several places; the model stays as deep as it is, or gets deeper.
 */
export interface Share {
  /**
   * Which layers are one: "all", "sequence", "cycle", "cycleReversed", "sandwich" or "tiedEncoderDecoder". May be left out where only the
   * embedding changes.
   */
  'scheme'?: (string);
  /**
   * Layers that are stored; needed by "sequence", "cycle" and "cycleReversed".
   */
  'uniqueLayers'?: (number);
  /**
   * Layers that are applied. Default: those of the model. More than that adds depth at the same size.
   */
  'layers'?: (number);
  /**
   * What a stored layer starts as: the "first" (default) of the layers that it replaces, their "average", or the one most "similar" to them,
   * which needs calibration text.
   */
  'from'?: (string);
  /**
   * What "similar" goes by: "cosine" of the blocks' updates (default) or linear "cka" of their results.
   */
  'similarity'?: (string);
  /**
   * Gains and biases of norms: "shared", or every layer its "own". Default: "own" with "sandwich", else "shared".
   */
  'norms'?: (string);
  /**
   * With "tiedEncoderDecoder", the decoder's attention to the encoder: its "own" (default), or that of its "self" attention.
   */
  'crossAttention'?: (string);
  /**
   * A narrow table under a small transformer layer in place of the token embedding.
   */
  'embedding'?: (_athanor_v1_SafeEmbedding | null);
  /**
   * Every position decides how often the one layer of "all" is applied to it.
   */
  'halting'?: (_athanor_v1_Halting | null);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every parameter of the blocks, vectors too.
   */
  'include'?: (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude'?: (string)[];
  /**
   * Seed of the embedding's decomposition. Default: the recipe's.
   */
  'seed'?: (number);
  '_scheme'?: "scheme";
  '_uniqueLayers'?: "uniqueLayers";
  '_layers'?: "layers";
  '_from'?: "from";
  '_similarity'?: "similarity";
  '_norms'?: "norms";
  '_crossAttention'?: "crossAttention";
  '_seed'?: "seed";
}

/**
 * Layers become one stored layer that is applied at several places; the model stays as deep as it is, or gets deeper.
 */
export interface Share__Output {
  /**
   * Which layers are one: "all", "sequence", "cycle", "cycleReversed", "sandwich" or "tiedEncoderDecoder". May be left out where only the
   * embedding changes.
   */
  'scheme'?: (string);
  /**
   * Layers that are stored; needed by "sequence", "cycle" and "cycleReversed".
   */
  'uniqueLayers'?: (number);
  /**
   * Layers that are applied. Default: those of the model. More than that adds depth at the same size.
   */
  'layers'?: (number);
  /**
   * What a stored layer starts as: the "first" (default) of the layers that it replaces, their "average", or the one most "similar" to them,
   * which needs calibration text.
   */
  'from'?: (string);
  /**
   * What "similar" goes by: "cosine" of the blocks' updates (default) or linear "cka" of their results.
   */
  'similarity'?: (string);
  /**
   * Gains and biases of norms: "shared", or every layer its "own". Default: "own" with "sandwich", else "shared".
   */
  'norms'?: (string);
  /**
   * With "tiedEncoderDecoder", the decoder's attention to the encoder: its "own" (default), or that of its "self" attention.
   */
  'crossAttention'?: (string);
  /**
   * A narrow table under a small transformer layer in place of the token embedding.
   */
  'embedding': (_athanor_v1_SafeEmbedding__Output | null);
  /**
   * Every position decides how often the one layer of "all" is applied to it.
   */
  'halting': (_athanor_v1_Halting__Output | null);
  /**
   * Patterns of parameter paths; `*` stands for any characters. Empty: every parameter of the blocks, vectors too.
   */
  'include': (string)[];
  /**
   * Patterns of parameter paths to leave as they are; they win over `include`.
   */
  'exclude': (string)[];
  /**
   * Seed of the embedding's decomposition. Default: the recipe's.
   */
  'seed'?: (number);
  '_scheme'?: "scheme";
  '_uniqueLayers'?: "uniqueLayers";
  '_layers'?: "layers";
  '_from'?: "from";
  '_similarity'?: "similarity";
  '_norms'?: "norms";
  '_crossAttention'?: "crossAttention";
  '_seed'?: "seed";
}
