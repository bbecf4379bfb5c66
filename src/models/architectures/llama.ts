// Llama family: rotary positions, RMS norm before each part, gated feed-forward, fewer heads for keys and values.
import { at } from '#base';
import type { Value } from '#graph';
import { multiplyDims, type Shape } from '#tensor';
import { activations } from '../activations.ts';
import type { Architecture, Network } from '../architecture.ts';
import type { LlamaConfig } from '../config.ts';
import { haltingParameters, runBlocks } from '../depth.ts';
import type { ParameterSpec } from '../model.ts';
import { type Rotation, rotate, rotationAt } from '../rotary.ts';
import { embedTokens, tiedLogits, tokenEmbedding } from '../token-embedding.ts';

/** @see Touvron et al., "LLaMA", 2023; Ainslie et al., "GQA", EMNLP 2023 */
export const llama: Architecture<LlamaConfig> = {
  name: 'llama',

  parameters(config) {
    const { vocabularySize: V, width: D, feedForwardWidth: F, heads: H, keyValueHeads: G, headWidth: K } = config;
    const specs: ParameterSpec[] = [...tokenEmbedding(config)];
    for (let block = 0; block < config.layers; block++) {
      const norm = (name: string): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'vector', shape: [D], block });
      };
      const linear = (name: string, rows: number, columns: number, hasBias: boolean): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'linear', shape: [rows, columns], block });
        if (hasBias) specs.push({ path: `h.${block}.${name}.bias`, role: 'vector', shape: [columns], block });
      };
      norm('norm1');
      linear('attn.q', D, H * K, config.attentionBias);
      linear('attn.k', D, G * K, config.attentionBias);
      linear('attn.v', D, G * K, config.attentionBias);
      linear('attn.out', H * K, D, config.attentionBias);
      norm('norm2');
      linear('mlp.gate', D, F, config.feedForwardBias);
      linear('mlp.up', D, F, config.feedForwardBias);
      linear('mlp.down', F, D, config.feedForwardBias);
    }
    specs.push({ path: 'norm.weight', role: 'vector', shape: [D] });
    specs.push(...haltingParameters(config));
    if (!config.tiedHead) specs.push({ path: 'head.weight', role: 'linear', shape: [D, V] });
    return specs;
  },

  residualOutputs: ({ layers }) =>
    Array.from({ length: layers }, (_, block) => [`h.${block}.attn.out.weight`, `h.${block}.mlp.down.weight`]).flat(),

  freeAxes: ({ layers, feedForwardWidth }) =>
    Array.from({ length: layers }, (_, block) => ({
      name: `h.${block}.mlp`,
      size: feedForwardWidth,
      columns: [`h.${block}.mlp.gate.weight`, `h.${block}.mlp.up.weight`],
      vectors: [`h.${block}.mlp.gate.bias`, `h.${block}.mlp.up.bias`],
      rows: [`h.${block}.mlp.down.weight`],
    })),

  heads: ({ heads, keyValueHeads, headWidth }) => ({ heads, keyValueHeads, headWidth }),

  hidden(config, net, tokens) {
    const { b } = net;
    const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
    const rotation = net.at('rotary', () => rotationAt(b, config, net.positions, Math.min(net.positionLimit, config.maxPositions)));
    const embedded = net.at('embed', () => embedTokens(config, net, tokens)); // [B, T, D]
    const rows = b.reshape(embedded, [multiplyDims(B, T), config.width]);
    const x = runBlocks(config, net, rows, [B, T], (block, input) => transformerBlock(config, net, block, input, [B, T], rotation));
    return net.at('norm', () => rmsNorm(config, net, 'norm', x));
  },

  logits: (config, net, hidden) => net.at('head', () => (config.tiedHead ? tiedLogits(config, net, hidden) : net.linear('head', hidden))),
};

/** x [N, D] -> [N, D] */
function transformerBlock(config: LlamaConfig, net: Network, block: number, x: Value, batch: Shape, rotation: Rotation): Value {
  const { b } = net;
  const { heads: H, keyValueHeads: G, headWidth: K } = config;
  const attended = net.at('attn', () => {
    const normed = rmsNorm(config, net, `h.${block}.norm1`, x);
    const project = (name: string, heads: number): Value => b.reshape(net.linear(`h.${block}.attn.${name}`, normed), [...batch, heads, K]);
    const q = rotate(b, project('q', H), rotation, K); // [B, T, H, K]
    const k = rotate(b, project('k', G), rotation, K); // [B, T, G, K]
    return net.linear(`h.${block}.attn.out`, net.attend(block, q, k, project('v', G)));
  });
  const middle = b.add(x, attended);
  const transformed = net.at('mlp', () => {
    const normed = rmsNorm(config, net, `h.${block}.norm2`, middle);
    const gate = activations[config.activation](b, net.linear(`h.${block}.mlp.gate`, normed)); // [N, F]
    return net.linear(`h.${block}.mlp.down`, b.mul(gate, net.linear(`h.${block}.mlp.up`, normed)));
  });
  return net.tap(`h.${block}`, b.add(middle, transformed));
}

function rmsNorm(config: LlamaConfig, net: Network, path: string, x: Value): Value {
  return net.b.rmsNorm(x, net.vector(`${path}.weight`), config.normEpsilon)[0];
}
