// BERT and its relatives RoBERTa and DistilBERT: learned positions, layer norm after each part, attention in both directions.
import { at } from '#base';
import type { Architecture } from '../architecture.ts';
import type { BertConfig } from '../config.ts';
import { runBlocks } from '../depth.ts';
import { headWidthOf, layerShape, layerShapes } from '../layer-shapes.ts';
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

/** What the families compute differently. */
const heads = {
  bert: { pooler: 'tanh', transform: undefined },
  roberta: { pooler: 'tanh', transform: 'gelu' },
  distilbert: { pooler: 'relu', transform: undefined },
} as const satisfies Record<BertConfig['family'], { pooler: 'tanh' | 'relu'; transform: BertConfig['activation'] | undefined }>;

/** RoBERTa counts positions from the row behind that of the padding. */
function firstPosition({ family, padToken }: BertConfig): number {
  return family === 'roberta' ? padToken + 1 : 0;
}

/** What stands along the channels before the first block. */
function tablesOf({ tokenTypes }: BertConfig): string[] {
  return ['embed.token.weight', 'embed.position.weight', ...(tokenTypes > 0 ? ['embed.type.weight'] : [])];
}

const indices = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

/**
 * @see Devlin et al., "BERT", NAACL 2019; Liu et al., "RoBERTa", 2019; Sanh et al., "DistilBERT", 2019; Wang et al., "MiniLM", NeurIPS 2020
 */
export const bert: Architecture<BertConfig> = {
  name: 'bert',

  parameters: (config) => [
    ...embeddingParameters(config, config.width, config.maxPositions + firstPosition(config)),
    ...indices(config.layers).flatMap((block) => blockParameters(config, block)),
    ...headParameters(config, config.width),
  ],

  residualOutputs: ({ layers }) => indices(layers).flatMap(blockResidualOutputs),

  prunableUnits: (config) => [
    ...layerShapes(config).flatMap((shape, block) => blockUnits(config, shape, block)),
    residualUnits(
      config,
      indices(config.layers),
      { made: tablesOf(config), vectors: ['embed.norm.weight', 'embed.norm.bias'] },
      config.width,
    ),
  ],

  blockStacks: ({ layers }) => [
    { prefix: 'h.', size: layers, inputTap: 'embed', outputTaps: indices(layers).map((block) => `h.${block}`) },
  ],

  resized: (config, sizes) => resizedEncoder(config, sizes),

  // Norms stand behind the parts: what they make goes into the residual stream too.
  normFeeds: () => [],

  linearFeeds: ({ layers }) => indices(layers).map(blockLinearFeed),

  heads(config, layer) {
    const { heads: count, keyValueHeads } = layerShape(config, layer);
    return { heads: count, keyValueHeads, headWidth: headWidthOf(config) };
  },

  hidden(config, net, tokens) {
    const batch = [at(tokens.shape, 0), at(tokens.shape, 1)];
    const x = net.at('embed', () => embedTokens(config, net, tokens, config.width, firstPosition(config)));
    return runBlocks(config, net, x, batch, (block, input) => encoderBlock(config, net, block, block, input, batch));
  },

  logits: (config, net, hidden) => maskedLogits(config, net, hidden, heads[config.family].transform),

  classLogits: (config, net, first) => classify(net, first, heads[config.family].pooler),
};
