// The heads of every attention of a model: those of the blocks, then that of a small layer in the embedding.
import type { HeadLayout } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import type { ModelConfig } from './config.ts';

/** By the `layer` of `Network.attend`; each has a key-value cache of its own. An encoder's layers keep none and are not in it. */
export function attentionLayouts(config: ModelConfig): HeadLayout[] {
  const blocks = Array.from({ length: config.layers }, (_, layer) => architectureOf(config).heads(config, layer));
  if (config.embedding === undefined) return blocks;
  const { width, heads } = config.embedding;
  return [...blocks, { heads, keyValueHeads: heads, headWidth: width / heads }];
}
