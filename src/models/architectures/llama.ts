// Llama and its relatives (Mistral, Qwen2, Qwen3, Gemma 1 to 3): rotary positions, RMS norms, gated feed-forward, fewer heads for keys and values.
import { at } from '#base';
import type { Value } from '#graph';
import { multiplyDims, type Shape } from '#tensor';
import { activations } from '../activations.ts';
import type { Architecture, AttentionOptions, BlocksInGraph, LinearFeed, Network } from '../architecture.ts';
import { softCapped } from '../attention.ts';
import type { LayerShape, LlamaConfig } from '../config.ts';
import { haltingParameters, runBlocks } from '../depth.ts';
import { layerShape, layerShapes, sizeFields } from '../layer-shapes.ts';
import type { ParameterSpec } from '../model.ts';
import { type Rotation, rotate, rotationAt } from '../rotary.ts';
import { embedTokens, tiedLogits, tokenEmbedding } from '../token-embedding.ts';
import { sidesOf, type UnitAxis, type UnitSide } from '../units.ts';

/**
 * @see Touvron et al., "LLaMA", 2023; Ainslie et al., "GQA", EMNLP 2023; Jiang et al., "Mistral 7B", 2023 (window); Yang et al., "Qwen3", 2025
 * (norms of queries and keys); Gemma Team, "Gemma 2", 2024 (soft caps, norms behind), "Gemma 3", 2025 (two rotary bases)
 */
export const llama: Architecture<LlamaConfig> = {
  name: 'llama',

  parameters(config) {
    const { vocabularySize: V, width: D, headWidth: K } = config;
    const { attentionBias, attentionOutputBias = attentionBias } = config;
    const initial = config.gainsLessOne === true ? 0 : 1;
    const specs: ParameterSpec[] = [...tokenEmbedding(config)];
    for (let block = 0; block < config.layers; block++) {
      const { heads: H, keyValueHeads: G, feedForwardWidth: F } = layerShape(config, block);
      const norm = (name: string, size = D): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'vector', shape: [size], block, initial });
      };
      const linear = (name: string, rows: number, columns: number, hasBias: boolean): void => {
        specs.push({ path: `h.${block}.${name}.weight`, role: 'linear', shape: [rows, columns], block });
        if (hasBias) specs.push({ path: `h.${block}.${name}.bias`, role: 'vector', shape: [columns], block });
      };
      norm('norm1');
      linear('attn.q', D, H * K, attentionBias);
      linear('attn.k', D, G * K, attentionBias);
      linear('attn.v', D, G * K, attentionBias);
      if (config.queryKeyNorm === true) {
        norm('attn.qNorm', K);
        norm('attn.kNorm', K);
      }
      linear('attn.out', H * K, D, attentionOutputBias);
      if (config.normsBehind === true) norm('norm1Behind');
      norm('norm2');
      linear('mlp.gate', D, F, config.feedForwardBias);
      linear('mlp.up', D, F, config.feedForwardBias);
      linear('mlp.down', F, D, config.feedForwardBias);
      if (config.normsBehind === true) norm('norm2Behind');
    }
    specs.push({ path: 'norm.weight', role: 'vector', shape: [D], initial });
    specs.push(...haltingParameters(config));
    if (!config.tiedHead) specs.push({ path: 'head.weight', role: 'linear', shape: [D, V] });
    return specs;
  },

  residualOutputs: ({ layers }) =>
    Array.from({ length: layers }, (_, block) => [`h.${block}.attn.out.weight`, `h.${block}.mlp.down.weight`]).flat(),

  prunableUnits: (config) => [...layerShapes(config).flatMap((shape, block) => blockUnits(config, shape, block)), residualUnits(config)],

  // A gain that is stored less one cannot be divided where it is stored.
  normFeeds: ({ layers, tiedHead, gainsLessOne }) =>
    gainsLessOne === true
      ? []
      : [
          ...Array.from({ length: layers }, (_, block) => [
            { norm: `h.${block}.norm1`, readers: ['q', 'k', 'v'].map((name) => `h.${block}.attn.${name}.weight`) },
            { norm: `h.${block}.norm2`, readers: ['gate', 'up'].map((name) => `h.${block}.mlp.${name}.weight`) },
          ]).flat(),
          ...(tiedHead ? [] : [{ norm: 'norm', readers: ['head.weight'] }]),
        ],

  linearFeeds: ({ layers, heads, keyValueHeads, attentionBias, feedForwardBias }) =>
    Array.from({ length: layers }, (_, block) => {
      const feed = (source: string, reader: string, hasBias: boolean): LinearFeed => ({
        source: `h.${block}.${source}.weight`,
        firstColumn: 0,
        ...(hasBias ? { bias: `h.${block}.${source}.bias` } : {}),
        readers: [`h.${block}.${reader}.weight`],
      });
      // A value head that several query heads share would need one scale for all of them.
      const values = heads === keyValueHeads ? [feed('attn.v', 'attn.out', attentionBias)] : [];
      return [...values, feed('mlp.up', 'mlp.down', feedForwardBias)];
    }).flat(),

  blockStacks: ({ layers }) => [
    { prefix: 'h.', size: layers, inputTap: 'embed', outputTaps: Array.from({ length: layers }, (_, block) => `h.${block}`) },
  ],

  resized(config, sizes) {
    const { layerShapes: _, slidingWindow, ...rest } = config;
    const flags = slidingWindow && (sizes.keptLayers?.map((layer) => at(slidingWindow.layers, layer)) ?? slidingWindow.layers);
    const window = slidingWindow === undefined || flags === undefined ? {} : { slidingWindow: { ...slidingWindow, layers: flags } };
    return { ...rest, ...window, ...sizeFields(config, sizes) };
  },

  heads(config, layer) {
    const { heads, keyValueHeads } = layerShape(config, layer);
    return { heads, keyValueHeads, headWidth: config.headWidth };
  },

  hidden(config, net, tokens) {
    const { b } = net;
    const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
    const embedded = net.at('embed', () => scaledEmbedding(config, b, embedTokens(config, net, tokens))); // [B, T, D]
    const rows = b.reshape(embedded, [multiplyDims(B, T), config.width]);
    const { block, last } = blocksOf(config, net, [B, T]);
    return last(runBlocks(config, net, rows, [B, T], block));
  },

  blocks: blocksOf,

  logits: (config, net, hidden) =>
    net.at('head', () => {
      const { tiedHead, logitSoftCap } = config;
      const logits = tiedHead ? tiedLogits(config, net, hidden) : net.linear('head', hidden);
      return logitSoftCap === undefined ? logits : softCapped(net.b, logits, logitSoftCap);
    }),
};

function blocksOf(config: LlamaConfig, net: Network, batch: Shape): BlocksInGraph {
  const rotations = new Rotations(config, net);
  return {
    block: (index, x) => transformerBlock(config, net, index, x, batch, rotations.of(index)),
    last: (x) => net.at('norm', () => rmsNorm(config, net, 'norm', x)),
  };
}

function scaledEmbedding({ scaledEmbedding: isScaled, width }: LlamaConfig, b: Network['b'], embedded: Value): Value {
  return isScaled === true ? b.mul(embedded, Math.sqrt(width)) : embedded;
}

function isSliding({ slidingWindow }: LlamaConfig, block: number): boolean {
  return slidingWindow?.layers[block] === true;
}

/** The rotations of layers that see everything and of those with a window; each is built when a layer first needs it. */
class Rotations {
  readonly #config: LlamaConfig;
  readonly #net: Network;
  #full: Rotation | undefined;
  #sliding: Rotation | undefined;

  constructor(config: LlamaConfig, net: Network) {
    this.#config = config;
    this.#net = net;
  }

  of(block: number): Rotation {
    const { slidingRotaryBase: rotaryBase } = this.#config;
    if (rotaryBase === undefined || !isSliding(this.#config, block)) {
      this.#full ??= this.#build(this.#config);
      return this.#full;
    }
    this.#sliding ??= this.#build({ ...this.#config, rotaryBase, rotaryScaling: { kind: 'none' } });
    return this.#sliding;
  }

  #build(config: LlamaConfig): Rotation {
    const { b, positions, positionLimit } = this.#net;
    return this.#net.at('rotary', () => rotationAt(b, config, positions, Math.min(positionLimit, config.maxPositions)));
  }
}

function attentionOptions(config: LlamaConfig, block: number): AttentionOptions {
  const { slidingWindow, queryScalar, attentionSoftCap: softCap } = config;
  return {
    ...(slidingWindow !== undefined && isSliding(config, block) ? { window: slidingWindow.size } : {}),
    ...(queryScalar === undefined ? {} : { scale: 1 / Math.sqrt(queryScalar) }),
    ...(softCap === undefined ? {} : { softCap }),
  };
}

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

function residualUnits({ layers, width, tiedHead, normsBehind }: LlamaConfig): UnitAxis {
  const inBlocks = (names: readonly string[]): string[] =>
    Array.from({ length: layers }, (_, block) => names.map((name) => `h.${block}.${name}`)).flat();
  const readers = ['attn.q.weight', 'attn.k.weight', 'attn.v.weight', 'mlp.gate.weight', 'mlp.up.weight'];
  const sides: UnitSide[] = [
    ...sidesOf('made', ['embed.token.weight', ...inBlocks(['attn.out.weight', 'mlp.down.weight'])]),
    ...sidesOf('read', [...inBlocks(readers), ...(tiedHead ? [] : ['head.weight'])]),
    ...sidesOf('along', [...inBlocks(['norm1.weight', 'attn.out.bias', 'norm2.weight', 'mlp.down.bias']), 'norm.weight']),
    ...(normsBehind === true ? sidesOf('along', inBlocks(['norm1Behind.weight', 'norm2Behind.weight'])) : []),
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
    const normedHeads = (name: string, heads: number): Value =>
      config.queryKeyNorm === true ? rmsNorm(config, net, `h.${block}.attn.${name}Norm`, project(name, heads)) : project(name, heads);
    const q = rotate(b, normedHeads('q', H), rotation, K); // [B, T, H, K]
    const k = rotate(b, normedHeads('k', G), rotation, K); // [B, T, G, K]
    return net.linear(`h.${block}.attn.out`, net.attend(block, q, k, project('v', G), attentionOptions(config, block)));
  });
  const middle = b.add(x, normBehind(config, net, `h.${block}.norm1Behind`, attended));
  const transformed = net.at('mlp', () => {
    const normed = rmsNorm(config, net, `h.${block}.norm2`, middle);
    const gate = activations[config.activation](b, net.linear(`h.${block}.mlp.gate`, normed)); // [N, F]
    return net.linear(`h.${block}.mlp.down`, b.mul(gate, net.linear(`h.${block}.mlp.up`, normed)));
  });
  return net.tap(`h.${block}`, b.add(middle, normBehind(config, net, `h.${block}.norm2Behind`, transformed)));
}

function rmsNorm(config: LlamaConfig, net: Network, path: string, x: Value): Value {
  const stored = net.vector(`${path}.weight`);
  const gain = config.gainsLessOne === true ? net.b.add(stored, 1) : stored;
  return net.b.rmsNorm(x, gain, config.normEpsilon)[0];
}

function normBehind(config: LlamaConfig, net: Network, path: string, x: Value): Value {
  return config.normsBehind === true ? rmsNorm(config, net, path, x) : x;
}
