// The heads of every attention of a model: those of the blocks, then that of a small layer in the embedding, then those of a side network.
import type { HeadLayout } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import type { ModelConfig } from './config.ts';
import { ladderHeads } from './ladder.ts';

/** By the `layer` of `Network.attend`; each has a key-value cache of its own. An encoder's layers keep none and are not in it. */
export function attentionLayouts(config: ModelConfig): HeadLayout[] {
  const blocks = Array.from({ length: config.layers }, (_, layer) => architectureOf(config).heads(config, layer));
  const { embedding, ladder } = config;
  const ofEmbedding =
    embedding === undefined
      ? []
      : [{ heads: embedding.heads, keyValueHeads: embedding.heads, headWidth: embedding.width / embedding.heads }];
  return [...blocks, ...ofEmbedding, ...(ladder === undefined ? [] : ladderHeads(architectureOf(config), config, ladder))];
}
