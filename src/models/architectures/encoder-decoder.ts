// Encoder-decoders: BART, Marian, Pegasus and T5, which differ in norms, positions, biases and scales.
import { at } from '#base';
import type { Value } from '#graph';
import { type Dim, int64, multiplyDims } from '#tensor';
import { activations } from '../activations.ts';
import type { Architecture, AttentionOptions, LinearFeed, Network, NormFeed } from '../architecture.ts';
import type { EncoderDecoderConfig, EncoderSizes } from '../config.ts';
import { runStack } from '../depth.ts';
import { layerShape, layerShapes, type ModelSizes } from '../layer-shapes.ts';
import type { ParameterSpec } from '../model.ts';
import { relativeBias, sinusoidalPositions } from '../positions.ts';
import { sidesOf, type UnitAxis, type UnitSide } from '../units.ts';

type Side = 'encoder' | 'decoder';

/** Sizes of one stack, and where its blocks begin among those of the model. */
interface Stack extends EncoderSizes {
  readonly side: Side;
  readonly firstBlock: number;
}

function stackOf(config: EncoderDecoderConfig, side: Side): Stack {
  if (side === 'encoder') return { side, firstBlock: 0, ...config.encoder };
  const { layers, heads, headWidth, feedForwardWidth } = config;
  return { side, firstBlock: config.encoder.layers, layers, heads, headWidth, feedForwardWidth };
}

function stacksOf(config: EncoderDecoderConfig): readonly Stack[] {
  return [stackOf(config, 'encoder'), stackOf(config, 'decoder')];
}

/** The paths `encoder.h.0` … of a stack's blocks. */
function blockPaths({ side, layers }: Stack): string[] {
  return Array.from({ length: layers }, (_, layer) => `${side}.h.${layer}`);
}

/**
 * @see Lewis et al., "BART", ACL 2020; Junczys-Dowmunt et al., "Marian", ACL 2018; Raffel et al., "Exploring the Limits of Transfer Learning
 * with a Unified Text-to-Text Transformer", JMLR 2020; Shazeer, "GLU Variants Improve Transformer", 2020 (the gated form of T5 1.1)
 */
export const encoderDecoder: Architecture<EncoderDecoderConfig> = {
  name: 'encoderDecoder',

  parameters(config) {
    const { vocabularySize: V, sourceVocabularySize, width: D } = config;
    const specs: ParameterSpec[] = [{ path: 'embed.token.weight', role: 'embedding', shape: [V, D] }];
    if (sourceVocabularySize !== undefined)
      specs.push({ path: 'embed.source.weight', role: 'embedding', shape: [sourceVocabularySize, D] });
    for (const stack of stacksOf(config)) specs.push(...stackParameters(config, stack));
    if (config.headTransform) {
      specs.push(
        { path: 'head.transform.weight', role: 'linear', shape: [D, D] },
        { path: 'head.transform.bias', role: 'vector', shape: [D] },
      );
      specs.push(...normParameters(config, 'head.transform.norm'));
    }
    if (!config.tiedHead) specs.push({ path: 'head.weight', role: 'linear', shape: [D, V] });
    if (config.headBias) specs.push({ path: 'head.bias', role: 'vector', shape: [V] });
    return specs;
  },

  residualOutputs: (config) =>
    stacksOf(config).flatMap((stack) =>
      blockPaths(stack).flatMap((block) => [
        `${block}.attn.out.weight`,
        ...(stack.side === 'decoder' ? [`${block}.cross.out.weight`] : []),
        `${block}.mlp.proj.weight`,
      ]),
    ),

  prunableUnits: (config) =>
    stacksOf(config).flatMap((stack) => blockPaths(stack).flatMap((path, layer) => blockUnits(config, stack, layer, path))),

  // Behind a part, what a norm makes goes into the residual stream too.
  normFeeds: (config) => (config.normPlacement === 'after' ? [] : feedsOfNorms(config)),

  linearFeeds: (config) =>
    stacksOf(config).flatMap((stack) =>
      blockPaths(stack).flatMap((path) => {
        const feed = (part: string, source: string, reader: string): LinearFeed => ({
          source: `${path}.${part}.${source}.weight`,
          firstColumn: 0,
          ...(config.biases ? { bias: `${path}.${part}.${source}.bias` } : {}),
          readers: [`${path}.${part}.${reader}.weight`],
        });
        return [...attentionParts(stack).map((part) => feed(part, 'v', 'out')), ...(config.gated ? [feed('mlp', 'fc', 'proj')] : [])];
      }),
    ),

  blockStacks: (config) =>
    stacksOf(config).map((stack) => ({
      prefix: `${stack.side}.h.`,
      size: stack.layers,
      inputTap: `${stack.side}.embed`,
      outputTaps: blockPaths(stack),
    })),

  resized: (config, sizes) => resizedStacks(config, sizes),

  heads(config, layer) {
    const { heads, keyValueHeads } = layerShape(config, config.encoder.layers + layer);
    return { heads, keyValueHeads, headWidth: config.headWidth };
  },

  hidden: (config, net, tokens) => readIds(config, net, stackOf(config, 'decoder'), tokens),

  logits(config, net, hidden) {
    const { b } = net;
    return net.at('head', () => {
      const transformed = config.headTransform ? transformHead(config, net, hidden) : hidden;
      const scaled = config.scaledHead ? b.mul(transformed, 1 / Math.sqrt(config.width)) : transformed;
      if (!config.tiedHead) return net.linear('head', scaled);
      const logits = net.embedTransposed('embed.token', scaled);
      return config.headBias ? b.add(logits, net.vector('head.bias')) : logits;
    });
  },

  encoderDecoder: {
    encode: (config, net, source) => readIds(config, net, stackOf(config, 'encoder'), source),
    sourceKeysValues(_config, net, layer, encoded) {
      const path = `decoder.h.${layer}.cross`;
      return net.at(path, () => [net.linear(`${path}.k`, encoded), net.linear(`${path}.v`, encoded)]);
    },
  },
};

/** The norms in front of the parts, that behind the encoder, and that behind the decoder where nothing else reads it. */
function feedsOfNorms(config: EncoderDecoderConfig): NormFeed[] {
  const decoder = stackOf(config, 'decoder');
  const feed = (norm: string, readers: readonly string[]): NormFeed => ({ norm, readers: readers.map((reader) => `${reader}.weight`) });
  const inBlocks = stacksOf(config).flatMap((stack) =>
    blockPaths(stack).flatMap((path) => [
      feed(
        `${path}.attn.norm`,
        ['q', 'k', 'v'].map((name) => `${path}.attn.${name}`),
      ),
      ...(stack.side === 'decoder' ? [feed(`${path}.cross.norm`, [`${path}.cross.q`])] : []),
      feed(`${path}.mlp.norm`, [...(config.gated ? [`${path}.mlp.gate`] : []), `${path}.mlp.fc`]),
    ]),
  );
  if (!config.finalNorm) return inBlocks;
  const ofSource = blockPaths(decoder).flatMap((path) => [`${path}.cross.k`, `${path}.cross.v`]);
  const head = config.headTransform ? ['head.transform'] : config.tiedHead ? [] : ['head'];
  return [...inBlocks, feed('encoder.norm', ofSource), ...(head.length === 0 ? [] : [feed('decoder.norm', head)])];
}

function attentionParts({ side }: Stack): readonly ('attn' | 'cross')[] {
  return side === 'encoder' ? ['attn'] : ['attn', 'cross'];
}

/** Heads and neurons of one block. Heads that read a table of relative positions stay: the table is the whole stack's. */
function blockUnits(config: EncoderDecoderConfig, stack: Stack, layer: number, path: string): UnitAxis[] {
  const block = stack.firstBlock + layer;
  const shape = layerShape(config, block);
  const paths = (part: string, names: readonly string[], ending: string): string[] =>
    names.map((name) => `${path}.${part}.${name}.${ending}`);
  const head = [{ offset: 0, width: stack.headWidth }];
  const heads = (part: 'attn' | 'cross'): UnitAxis => {
    const isCross = part === 'cross';
    const sides: UnitSide[] = [
      ...sidesOf('made', paths(part, ['q', 'k', 'v'], 'weight'), head),
      ...sidesOf('along', paths(part, ['q', 'k', 'v'], 'bias'), head),
      ...sidesOf('read', paths(part, ['out'], 'weight'), head),
    ];
    const size = isCross ? (shape.crossHeads ?? shape.heads) : shape.heads;
    return { name: `${path}.${part}`, kind: 'heads', block, ...(isCross ? { isCross } : {}), size, sides };
  };
  const makers = [...(config.gated ? ['gate'] : []), 'fc'];
  const neurons: UnitSide[] = [
    ...sidesOf('made', paths('mlp', makers, 'weight')),
    ...sidesOf('along', paths('mlp', makers, 'bias')),
    ...sidesOf('read', paths('mlp', ['proj'], 'weight')),
  ];
  const free = attentionParts(stack).filter((part) => part === 'cross' || config.positions.kind !== 'relative');
  return [...free.map(heads), { name: `${path}.mlp`, kind: 'ffn', block, size: shape.feedForwardWidth, sides: neurons }];
}

/** The sizes of each stack are those of its largest block; `layerShapes` is there only where blocks of a stack differ. */
function resizedStacks(config: EncoderDecoderConfig, sizes: ModelSizes): EncoderDecoderConfig {
  const { layerShapes: _, ...rest } = config;
  const shapes = sizes.layerShapes ?? layerShapes(config);
  const kept = sizes.keptLayers ?? shapes.map((_shape, block) => block);
  const numEncoder = kept.filter((block) => block < config.encoder.layers).length;
  const largest = (stack: typeof shapes) => ({
    layers: stack.length,
    heads: Math.max(...stack.map(({ heads }) => heads)),
    feedForwardWidth: Math.max(...stack.map(({ feedForwardWidth }) => feedForwardWidth)),
  });
  const [encoder, decoder] = [largest(shapes.slice(0, numEncoder)), largest(shapes.slice(numEncoder))];
  const isUniform = shapes.every(({ heads, crossHeads = heads, feedForwardWidth }, block) => {
    const stack = block < numEncoder ? encoder : decoder;
    return heads === stack.heads && crossHeads === heads && feedForwardWidth === stack.feedForwardWidth;
  });
  return {
    ...rest,
    ...decoder,
    width: sizes.width ?? config.width,
    encoder: { ...config.encoder, ...encoder },
    ...(isUniform ? {} : { layerShapes: shapes }),
  };
}

function normParameters({ norm, width: D }: EncoderDecoderConfig, path: string): ParameterSpec[] {
  const gain: ParameterSpec = { path: `${path}.weight`, role: 'vector', shape: [D] };
  return norm === 'layer' ? [gain, { path: `${path}.bias`, role: 'vector', shape: [D] }] : [gain];
}

function transformHead(config: EncoderDecoderConfig, net: Network, hidden: Value): Value {
  const inner = activations[config.activation](net.b, net.linear('head.transform', hidden));
  return normalize(config, net, 'head.transform.norm', inner);
}

function stackParameters(config: EncoderDecoderConfig, stack: Stack): ParameterSpec[] {
  const { width: D, maxPositions, positions } = config;
  const { side, firstBlock, heads: H, headWidth: K } = stack;
  const specs: ParameterSpec[] = [];
  const norm = (path: string, inBlock: { readonly block?: number } = {}): void => {
    specs.push(...normParameters(config, path).map((spec) => ({ ...spec, ...inBlock })));
  };
  if (positions.kind === 'learned')
    specs.push({ path: `${side}.position.weight`, role: 'embedding', shape: [maxPositions + positions.offset, D] });
  if (positions.kind === 'relative') specs.push({ path: `${side}.relative.weight`, role: 'embedding', shape: [positions.buckets, H] });
  if (config.tokenTypes !== undefined) specs.push({ path: `${side}.type.weight`, role: 'embedding', shape: [config.tokenTypes, D] });
  if (config.embeddingNorm) norm(`${side}.embed.norm`);
  for (const [layer, path] of blockPaths(stack).entries()) {
    const block = firstBlock + layer;
    const { heads, crossHeads = heads, feedForwardWidth: F } = layerShape(config, block);
    const linear = (name: string, rows: number, columns: number): void => {
      specs.push({ path: `${path}.${name}.weight`, role: 'linear', shape: [rows, columns], block });
      if (config.biases) specs.push({ path: `${path}.${name}.bias`, role: 'vector', shape: [columns], block });
    };
    for (const part of attentionParts(stack)) {
      const inner = (part === 'cross' ? crossHeads : heads) * K;
      norm(`${path}.${part}.norm`, { block });
      for (const name of ['q', 'k', 'v']) linear(`${part}.${name}`, D, inner);
      linear(`${part}.out`, inner, D);
    }
    norm(`${path}.mlp.norm`, { block });
    if (config.gated) linear('mlp.gate', D, F);
    linear('mlp.fc', D, F);
    linear('mlp.proj', F, D);
  }
  if (config.finalNorm) norm(`${side}.norm`);
  return specs;
}

/** ids int64 [B, T] -> rows [B*T, D] */
function readIds(config: EncoderDecoderConfig, net: Network, stack: Stack, ids: Value): Value {
  const { side } = stack;
  return net.at(side, () => {
    const batch = [at(ids.shape, 0), at(ids.shape, 1)] as const;
    const embedded = net.tap(
      `${side}.embed`,
      net.at('embed', () => embed(config, net, side, ids)),
    );
    const options = attentionOptions(config, net, stack);
    const x = runStack(net, `${side}.h.`, stack.layers, embedded, (layer, input) =>
      net.at(`h.${layer}`, () => net.tap(`${side}.h.${layer}`, transformerBlock(config, net, stack, layer, input, batch, options))),
    );
    return config.finalNorm ? normalize(config, net, `${side}.norm`, x) : x;
  });
}

function embed(config: EncoderDecoderConfig, net: Network, side: Side, ids: Value): Value {
  const { b } = net;
  const { width: D, positions } = config;
  const table = side === 'encoder' && config.sourceVocabularySize !== undefined ? 'embed.source' : 'embed.token';
  const looked = net.embed(table, ids); // [B, T, D]
  const scaled = config.scaledEmbedding ? b.mul(looked, Math.sqrt(D)) : looked;
  const placed = ((): Value => {
    if (positions.kind === 'relative') return scaled;
    if (positions.kind === 'sinusoidal')
      return b.add(scaled, sinusoidalPositions(b, positions.form, net.positions, Math.min(net.positionLimit, config.maxPositions), D));
    return b.add(scaled, net.embed(`${side}.position`, b.add(net.positions, positions.offset)));
  })();
  const typed = config.tokenTypes === undefined ? placed : b.add(placed, net.embed(`${side}.type`, b.constant(int64([1], [0]))));
  const rows = b.reshape(typed, [multiplyDims(at(ids.shape, 0), at(ids.shape, 1)), D]);
  return config.embeddingNorm ? normalize(config, net, `${side}.embed.norm`, rows) : rows;
}

/** The same for every block of a stack: T5 keeps one table of biases, in its first block. */
function attentionOptions(config: EncoderDecoderConfig, net: Network, { side }: Stack): AttentionOptions {
  const { positions } = config;
  const common: AttentionOptions = { sees: side === 'encoder' ? 'all' : 'past', ...(config.scaledScores ? {} : { scale: 1 }) };
  if (positions.kind !== 'relative') return common;
  const lookup = (ids: Value): Value => net.embed(`${side}.relative`, ids);
  const buckets = { buckets: positions.buckets, maxDistance: positions.maxDistance, seesFuture: side === 'encoder' };
  return { ...common, bias: net.at('relative', () => relativeBias(net.b, lookup, buckets, net.positions, net.keyPositions)) };
}

/** x [N, D] -> [N, D] */
function transformerBlock(
  config: EncoderDecoderConfig,
  net: Network,
  { side, firstBlock, headWidth: K }: Stack,
  layer: number,
  x: Value,
  batch: readonly [Dim, Dim],
  options: AttentionOptions,
): Value {
  const { b } = net;
  const path = `${side}.h.${layer}`;
  const { heads, crossHeads = heads } = layerShape(config, firstBlock + layer);
  const byHead = (rows: Value, H: number): Value => b.reshape(rows, [...batch, H, K]); // [B, T, H, K]
  const part = (name: string, stream: Value, compute: (input: Value) => Value): Value =>
    net.at(name, () => {
      const norm = `${path}.${name}.norm`;
      if (config.normPlacement === 'before') return b.add(stream, compute(normalize(config, net, norm, stream)));
      return normalize(config, net, norm, b.add(stream, compute(stream)));
    });

  let stream = part('attn', x, (input) => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => byHead(net.linear(`${path}.attn.${name}`, input), heads)) as [Value, Value, Value];
    return net.linear(`${path}.attn.out`, net.attend(layer, q, k, v, { ...options, block: path }));
  });
  if (side === 'decoder')
    stream = part('cross', stream, (input) => {
      const q = byHead(net.linear(`${path}.cross.q`, input), crossHeads);
      return net.linear(`${path}.cross.out`, net.attendTo(layer, q, config.scaledScores ? {} : { scale: 1 }));
    });
  return part('mlp', stream, (input) => {
    const activate = activations[config.activation];
    const inner = net.linear(`${path}.mlp.fc`, input); // [N, F]
    const active = config.gated ? b.mul(activate(b, net.linear(`${path}.mlp.gate`, input)), inner) : activate(b, inner);
    return net.linear(`${path}.mlp.proj`, active);
  });
}

function normalize(config: EncoderDecoderConfig, net: Network, path: string, x: Value): Value {
  const gain = net.vector(`${path}.weight`);
  if (config.norm === 'rms') return net.b.rmsNorm(x, gain, config.normEpsilon)[0];
  return net.b.layerNorm(x, gain, net.vector(`${path}.bias`), config.normEpsilon)[0];
}
