// ALBERT: the blocks of BERT with one set of parameters for all layers, and a token embedding of two factors.
import { at } from '#base';
import type { Architecture } from '../architecture.ts';
import type { AlbertConfig } from '../config.ts';
import { headWidthOf, layerShape } from '../layer-shapes.ts';
import {
  blockLinearFeed,
  blockParameters,
  blockResidualOutputs,
  blockUnits,
  classify,
  embeddingParameters,
  embedTokens,
  encoderBlock,
  headParameters,
  maskedLogits,
  residualUnits,
  resizedEncoder,
} from './encoder-blocks.ts';

/** The only block, whose parameters every layer uses. */
const sharedBlock = 0;

/** @see Lan et al., "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations", ICLR 2020 */
export const albert: Architecture<AlbertConfig> = {
  name: 'albert',

  parameters: (config) => [
    ...embeddingParameters(config, config.embeddingWidth, config.maxPositions),
    { path: 'embed.project.weight', role: 'linear', shape: [config.embeddingWidth, config.width] },
    { path: 'embed.project.bias', role: 'vector', shape: [config.width] },
    ...blockParameters(config, sharedBlock),
    ...headParameters(config, config.embeddingWidth),
  ],

  residualOutputs: () => blockResidualOutputs(sharedBlock),

  prunableUnits: (config) => [
    ...blockUnits(config, layerShape(config, sharedBlock), sharedBlock),
    residualUnits(config, [sharedBlock], { made: ['embed.project.weight'], vectors: ['embed.project.bias'] }, config.embeddingWidth),
  ],

  // Its layers are one block, of which none can be taken out.
  blockStacks: () => [],

  resized: (config, sizes) => resizedEncoder(config, sizes),

  normFeeds: () => [],

  linearFeeds: () => [blockLinearFeed(sharedBlock)],

  heads(config) {
    const { heads, keyValueHeads } = layerShape(config, sharedBlock);
    return { heads, keyValueHeads, headWidth: headWidthOf(config) };
  },

  hidden(config, net, tokens) {
    const batch = [at(tokens.shape, 0), at(tokens.shape, 1)];
    let x = net.tap(
      'embed',
      net.at('embed', () => net.linear('embed.project', embedTokens(config, net, tokens, config.embeddingWidth, 0))),
    );
    for (let layer = 0; layer < config.layers; layer++)
      x = net.at(`h.${layer}`, () => encoderBlock(config, net, sharedBlock, layer, x, batch));
    return x;
  },

  logits: (config, net, hidden) => maskedLogits(config, net, hidden),

  classLogits: (_, net, first) => classify(net, first, 'tanh'),
};
