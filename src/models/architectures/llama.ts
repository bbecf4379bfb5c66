// Llama family: rotary positions, RMS norm before each part, gated feed-forward, fewer heads for keys and values.
import { at } from '#base';
import type { Value } from '#graph';
import { multiplyDims, type Shape } from '#tensor';
import { activations } from '../activations.ts';
import type { Architecture, Network } from '../architecture.ts';
import type { LayerShape, LlamaConfig } from '../config.ts';
import { layerShape, layerShapes, sizeFields } from '../layer-shapes.ts';
import type { ParameterSpec } from '../model.ts';
import { type Rotation, rotate, rotationAt } from '../rotary.ts';
import { sidesOf, type UnitAxis, type UnitSide } from '../units.ts';

/** @see Touvron et al., "LLaMA", 2023; Ainslie et al., "GQA", EMNLP 2023 */
export const llama: Architecture<LlamaConfig> = {
  name: 'llama',

  parameters(config) {
    const { vocabularySize: V, width: D, headWidth: K } = config;
    const specs: ParameterSpec[] = [{ path: 'embed.token.weight', role: 'embedding', shape: [V, D] }];
    for (let block = 0; block < config.layers; block++) {
      const { heads: H, keyValueHeads: G, feedForwardWidth: F } = layerShape(config, block);
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
    if (!config.tiedHead) specs.push({ path: 'head.weight', role: 'linear', shape: [D, V] });
    return specs;
  },

  residualOutputs: ({ layers }) =>
    Array.from({ length: layers }, (_, block) => [`h.${block}.attn.out.weight`, `h.${block}.mlp.down.weight`]).flat(),

  prunableUnits: (config) => [...layerShapes(config).flatMap((shape, block) => blockUnits(config, shape, block)), residualUnits(config)],

  blockStacks: ({ layers }) => [
    { prefix: 'h.', size: layers, inputTap: 'embed', outputTaps: Array.from({ length: layers }, (_, block) => `h.${block}`) },
  ],

  resized(config, sizes) {
    const { layerShapes: _, ...rest } = config;
    return { ...rest, ...sizeFields(config, sizes) };
  },

  heads(config, layer) {
    const { heads, keyValueHeads } = layerShape(config, layer);
    return { heads, keyValueHeads, headWidth: config.headWidth };
  },

  hidden(config, net, tokens) {
    const { b } = net;
    const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
    const rotation = net.at('rotary', () => rotationAt(b, config, net.positions, Math.min(net.positionLimit, config.maxPositions)));
    const embedded = net.at('embed', () => net.embed('embed.token', tokens)); // [B, T, D]
    let x = net.tap('embed', b.reshape(embedded, [multiplyDims(B, T), config.width]));
    for (let block = 0; block < config.layers; block++)
      x = net.at(`h.${block}`, () => transformerBlock(config, net, block, x, [B, T], rotation));
    return net.at('norm', () => rmsNorm(config, net, 'norm', x));
  },

  logits: ({ tiedHead }, net, hidden) =>
    net.at('head', () => (tiedHead ? net.embedTransposed('embed.token', hidden) : net.linear('head', hidden))),
};

function blockUnits(config: LlamaConfig, { heads, keyValueHeads, feedForwardWidth }: LayerShape, block: number): UnitAxis[] {
  const paths = (names: readonly string[], ending: string): string[] => names.map((name) => `h.${block}.${name}.${ending}`);
  const K = config.headWidth;
  // A key-value head goes with the query heads that read it, which stand together.
  const [queries, keys] = [[{ offset: 0, width: (heads / keyValueHeads) * K }], [{ offset: 0, width: K }]];
  const attention: UnitSide[] = [
    ...sidesOf('made', paths(['attn.q'], 'weight'), queries),
    ...sidesOf('along', paths(['attn.q'], 'bias'), queries),
    ...sidesOf('made', paths(['attn.k', 'attn.v'], 'weight'), keys),
    ...sidesOf('along', paths(['attn.k', 'attn.v'], 'bias'), keys),
    ...sidesOf('read', paths(['attn.out'], 'weight'), queries),
  ];
  const neurons: UnitSide[] = [
    ...sidesOf('made', paths(['mlp.gate', 'mlp.up'], 'weight')),
    ...sidesOf('along', paths(['mlp.gate', 'mlp.up'], 'bias')),
    ...sidesOf('read', paths(['mlp.down'], 'weight')),
  ];
  return [
    { name: `h.${block}.attn`, kind: 'heads', block, size: keyValueHeads, sides: attention },
    { name: `h.${block}.mlp`, kind: 'ffn', block, size: feedForwardWidth, sides: neurons },
  ];
}

function residualUnits({ layers, width, tiedHead }: LlamaConfig): UnitAxis {
  const inBlocks = (names: readonly string[]): string[] =>
    Array.from({ length: layers }, (_, block) => names.map((name) => `h.${block}.${name}`)).flat();
  const readers = ['attn.q.weight', 'attn.k.weight', 'attn.v.weight', 'mlp.gate.weight', 'mlp.up.weight'];
  const sides: UnitSide[] = [
    ...sidesOf('made', ['embed.token.weight', ...inBlocks(['attn.out.weight', 'mlp.down.weight'])]),
    ...sidesOf('read', [...inBlocks(readers), ...(tiedHead ? [] : ['head.weight'])]),
    ...sidesOf('along', [...inBlocks(['norm1.weight', 'attn.out.bias', 'norm2.weight', 'mlp.down.bias']), 'norm.weight']),
  ];
  return { name: 'residual', kind: 'width', size: width, sides };
}

/** x [N, D] -> [N, D] */
function transformerBlock(config: LlamaConfig, net: Network, block: number, x: Value, batch: Shape, rotation: Rotation): Value {
  const { b } = net;
  const K = config.headWidth;
  const { heads: H, keyValueHeads: G } = layerShape(config, block);
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
