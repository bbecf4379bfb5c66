// GPT-2: learned positions, layer norm before each part, one fused projection to queries, keys and values, biases everywhere.

import { at } from '#base';
import type { Value } from '#graph';
import { multiplyDims, type Shape } from '#tensor';
import { activations } from '../activations.ts';
import type { Architecture, Network } from '../architecture.ts';
import type { Gpt2Config } from '../config.ts';
import { haltingParameters, runBlocks } from '../depth.ts';
import type { ParameterSpec } from '../model.ts';
import { embedTokens, tiedLogits, tokenEmbedding } from '../token-embedding.ts';

/** @see Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 */
export const gpt2: Architecture<Gpt2Config> = {
  name: 'gpt2',

  parameters(config) {
    const { vocabularySize: V, width: D, feedForwardWidth: F, maxPositions } = config;
    const specs: ParameterSpec[] = [
      ...tokenEmbedding(config),
      { path: 'embed.position.weight', role: 'embedding', shape: [maxPositions, D] },
    ];
    for (let block = 0; block < config.layers; block++) {
      const norm = (name: string): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'vector', shape: [D], block });
        specs.push({ path: `h.${block}.${name}.bias`, role: 'vector', shape: [D], block });
      };
      const linear = (name: string, rows: number, columns: number): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'linear', shape: [rows, columns], block });
        specs.push({ path: `h.${block}.${name}.bias`, role: 'vector', shape: [columns], block });
      };
      norm('ln1');
      linear('attn.qkv', D, 3 * D);
      linear('attn.out', D, D);
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

  freeAxes: ({ layers, feedForwardWidth }) =>
    Array.from({ length: layers }, (_, block) => ({
      name: `h.${block}.mlp`,
      size: feedForwardWidth,
      columns: [`h.${block}.mlp.fc.weight`],
      vectors: [`h.${block}.mlp.fc.bias`],
      rows: [`h.${block}.mlp.proj.weight`],
    })),

  heads: ({ heads, width }) => ({ heads, keyValueHeads: heads, headWidth: width / heads }),

  hidden(config, net, tokens) {
    const { b } = net;
    const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
    const D = config.width;
    const embedded = net.at('embed', () => b.add(embedTokens(config, net, tokens), net.embed('embed.position', net.positions))); // [B, T, D]
    const rows = b.reshape(embedded, [multiplyDims(B, T), D]);
    const x = runBlocks(config, net, rows, [B, T], (block, input) => transformerBlock(config, net, block, input, [B, T]));
    return net.at('norm', () => layerNorm(config, net, 'norm', x));
  },

  logits: (config, net, hidden) => net.at('head', () => (config.tiedHead ? tiedLogits(config, net, hidden) : net.linear('head', hidden))),
};

/** x [N, D] -> [N, D] */
function transformerBlock(config: Gpt2Config, net: Network, block: number, x: Value, batch: Shape): Value {
  const { b } = net;
  const { width: D, heads: H } = config;
  const attended = net.at('attn', () => {
    const qkv = net.linear(`h.${block}.attn.qkv`, layerNorm(config, net, `h.${block}.ln1`, x)); // [N, 3D]
    const part = (index: number): Value => b.reshape(b.slice(qkv, 1, index * D, (index + 1) * D), [...batch, H, D / H]); // [B, T, H, K]
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
