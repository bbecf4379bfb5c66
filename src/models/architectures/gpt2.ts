// GPT-2: learned positions, layer norm before each part, one fused projection to queries, keys and values, biases everywhere.

import { at } from '#base';
import type { Value } from '#graph';
import { multiplyDims, type Shape } from '#tensor';
import { activations } from '../activations.ts';
import type { Architecture, BlocksInGraph, Network } from '../architecture.ts';
import type { Gpt2Config, LayerShape } from '../config.ts';
import { haltingParameters, runBlocks } from '../depth.ts';
import { headWidthOf, layerShape, layerShapes, sizeFields } from '../layer-shapes.ts';
import type { ParameterSpec } from '../model.ts';
import { embedTokens, tiedLogits, tokenEmbedding } from '../token-embedding.ts';
import { sidesOf, type UnitAxis, type UnitSide } from '../units.ts';

/** @see Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 */
export const gpt2: Architecture<Gpt2Config> = {
  name: 'gpt2',

  parameters(config) {
    const { vocabularySize: V, width: D, maxPositions } = config;
    const K = headWidthOf(config);
    const specs: ParameterSpec[] = [
      ...tokenEmbedding(config),
      { path: 'embed.position.weight', role: 'embedding', shape: [maxPositions, D] },
    ];
    for (let block = 0; block < config.layers; block++) {
      const { heads: H, feedForwardWidth: F } = layerShape(config, block);
      const norm = (name: string): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'vector', shape: [D], block });
        specs.push({ path: `h.${block}.${name}.bias`, role: 'vector', shape: [D], block });
      };
      const linear = (name: string, rows: number, columns: number): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'linear', shape: [rows, columns], block });
        specs.push({ path: `h.${block}.${name}.bias`, role: 'vector', shape: [columns], block });
      };
      norm('ln1');
      linear('attn.qkv', D, 3 * H * K);
      linear('attn.out', H * K, D);
      norm('ln2');
      linear('mlp.fc', D, F);
      linear('mlp.proj', F, D);
    }
    specs.push({ path: 'norm.weight', role: 'vector', shape: [D] }, { path: 'norm.bias', role: 'vector', shape: [D] });
    specs.push(...haltingParameters(config));
    if (!config.tiedHead) specs.push({ path: 'head.weight', role: 'linear', shape: [D, V] });
    return specs;
  },

  residualOutputs: ({ layers }) =>
    Array.from({ length: layers }, (_, block) => [`h.${block}.attn.out.weight`, `h.${block}.mlp.proj.weight`]).flat(),

  prunableUnits: (config) => [...layerShapes(config).flatMap((shape, block) => blockUnits(config, shape, block)), residualUnits(config)],

  normFeeds: ({ layers, tiedHead }) => [
    ...Array.from({ length: layers }, (_, block) => [
      { norm: `h.${block}.ln1`, readers: [`h.${block}.attn.qkv.weight`] },
      { norm: `h.${block}.ln2`, readers: [`h.${block}.mlp.fc.weight`] },
    ]).flat(),
    ...(tiedHead ? [] : [{ norm: 'norm', readers: ['head.weight'] }]),
  ],

  linearFeeds: (config) =>
    layerShapes(config).map(({ heads }, block) => ({
      source: `h.${block}.attn.qkv.weight`,
      firstColumn: 2 * heads * headWidthOf(config),
      bias: `h.${block}.attn.qkv.bias`,
      readers: [`h.${block}.attn.out.weight`],
    })),

  blockStacks: ({ layers }) => [
    { prefix: 'h.', size: layers, inputTap: 'embed', outputTaps: Array.from({ length: layers }, (_, block) => `h.${block}`) },
  ],

  resized(config, sizes) {
    const { headWidth: _, layerShapes: __, ...rest } = config;
    const { keyValueHeads: ___, ...fields } = sizeFields(config, sizes);
    const headWidth = headWidthOf(config);
    return { ...rest, ...fields, ...(fields.width === fields.heads * headWidth ? {} : { headWidth }) };
  },

  heads(config, layer) {
    const { heads, keyValueHeads } = layerShape(config, layer);
    return { heads, keyValueHeads, headWidth: headWidthOf(config) };
  },

  hidden(config, net, tokens) {
    const { b } = net;
    const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
    const D = config.width;
    const embedded = net.at('embed', () => b.add(embedTokens(config, net, tokens), net.embed('embed.position', net.positions))); // [B, T, D]
    const rows = b.reshape(embedded, [multiplyDims(B, T), D]);
    const { block, last } = blocksOf(config, net, [B, T]);
    return last(runBlocks(config, net, rows, [B, T], block));
  },

  blocks: blocksOf,

  logits: (config, net, hidden) => net.at('head', () => (config.tiedHead ? tiedLogits(config, net, hidden) : net.linear('head', hidden))),
};

function blocksOf(config: Gpt2Config, net: Network, batch: Shape): BlocksInGraph {
  return {
    block: (index, x) => transformerBlock(config, net, index, x, batch),
    last: (x) => net.at('norm', () => layerNorm(config, net, 'norm', x)),
  };
}

function blockUnits(config: Gpt2Config, { heads, feedForwardWidth }: LayerShape, block: number): UnitAxis[] {
  const path = (name: string): string[] => [`h.${block}.${name}`];
  const K = headWidthOf(config);
  // Queries, keys and values stand side by side.
  const thirds = [0, 1, 2].map((third) => ({ offset: third * heads * K, width: K }));
  const attention: UnitSide[] = [
    ...sidesOf('made', path('attn.qkv.weight'), thirds),
    ...sidesOf('along', path('attn.qkv.bias'), thirds),
    ...sidesOf('read', path('attn.out.weight'), [{ offset: 0, width: K }]),
  ];
  const neurons: UnitSide[] = [
    ...sidesOf('made', path('mlp.fc.weight')),
    ...sidesOf('along', path('mlp.fc.bias')),
    ...sidesOf('read', path('mlp.proj.weight')),
  ];
  return [
    { name: `h.${block}.attn`, kind: 'heads', block, size: heads, sides: attention },
    { name: `h.${block}.mlp`, kind: 'ffn', block, size: feedForwardWidth, sides: neurons },
  ];
}

function residualUnits({ layers, width, tiedHead }: Gpt2Config): UnitAxis {
  const inBlocks = (names: readonly string[]): string[] =>
    Array.from({ length: layers }, (_, block) => names.map((name) => `h.${block}.${name}`)).flat();
  const sides: UnitSide[] = [
    ...sidesOf('made', ['embed.token.weight', 'embed.position.weight', ...inBlocks(['attn.out.weight', 'mlp.proj.weight'])]),
    ...sidesOf('read', [...inBlocks(['attn.qkv.weight', 'mlp.fc.weight']), ...(tiedHead ? [] : ['head.weight'])]),
    ...sidesOf('along', inBlocks(['ln1.weight', 'ln1.bias', 'attn.out.bias', 'ln2.weight', 'ln2.bias', 'mlp.proj.bias'])),
    ...sidesOf('along', ['norm.weight', 'norm.bias']),
  ];
  return { name: 'residual', kind: 'width', size: width, sides };
}

/** x [N, D] -> [N, D] */
function transformerBlock(config: Gpt2Config, net: Network, block: number, x: Value, batch: Shape): Value {
  const { b } = net;
  const K = headWidthOf(config);
  const { heads: H } = layerShape(config, block);
  const attended = net.at('attn', () => {
    const qkv = net.linear(`h.${block}.attn.qkv`, layerNorm(config, net, `h.${block}.ln1`, x)); // [N, 3HK]
    const part = (index: number): Value => b.reshape(b.slice(qkv, 1, index * H * K, (index + 1) * H * K), [...batch, H, K]); // [B, T, H, K]
    return net.linear(`h.${block}.attn.out`, net.attend(block, part(0), part(1), part(2)));
  });
  const middle = b.add(x, attended);
  const transformed = net.at('mlp', () => {
    const inner = net.linear(`h.${block}.mlp.fc`, layerNorm(config, net, `h.${block}.ln2`, middle)); // [N, F]
    return net.linear(`h.${block}.mlp.proj`, activations[config.activation](b, inner));
  });
  return net.tap(`h.${block}`, b.add(middle, transformed));
}

function layerNorm(config: Gpt2Config, net: Network, path: string, x: Value): Value {
  return net.b.layerNorm(x, net.vector(`${path}.weight`), net.vector(`${path}.bias`), config.normEpsilon)[0];
}
