// The parts of encoders with a layer norm after each part: embeddings, blocks and heads; BERT and ALBERT put them together.
import { AppError, at } from '#base';
import type { Value } from '#graph';
import { int64, multiplyDims, type Shape } from '#tensor';
import { activations } from '../activations.ts';
import type { LinearFeed, Network } from '../architecture.ts';
import type { AlbertConfig, BertConfig, LayerShape } from '../config.ts';
import { headWidthOf, layerShape, type ModelSizes, sizeFields } from '../layer-shapes.ts';
import type { ParameterSpec } from '../model.ts';
import { sidesOf, type UnitAxis, type UnitSide } from '../units.ts';

type EncoderConfig = BertConfig | AlbertConfig;

/** Adds the weight and bias of a linear layer or of a norm. */
type AddSpecs = (path: string, ...sizes: readonly number[]) => void;

/** Adds to `specs`: two sizes for a linear layer [in, out], one for a norm. */
function adder(specs: ParameterSpec[], block?: number): AddSpecs {
  const of = block === undefined ? {} : { block };
  return (path, ...sizes) => {
    specs.push({ path: `${path}.weight`, role: sizes.length === 1 ? 'vector' : 'linear', shape: sizes, ...of });
    specs.push({ path: `${path}.bias`, role: 'vector', shape: sizes.slice(-1), ...of });
  };
}

/** Tables of tokens, positions and token types, all of one width, and their norm. */
export function embeddingParameters(config: EncoderConfig, width: number, positionRows: number): ParameterSpec[] {
  const specs: ParameterSpec[] = [
    { path: 'embed.token.weight', role: 'embedding', shape: [config.vocabularySize, width] },
    { path: 'embed.position.weight', role: 'embedding', shape: [positionRows, width] },
  ];
  if (config.tokenTypes > 0) specs.push({ path: 'embed.type.weight', role: 'embedding', shape: [config.tokenTypes, width] });
  adder(specs)('embed.norm', width);
  return specs;
}

export function blockParameters(config: EncoderConfig, block: number): ParameterSpec[] {
  const D = config.width;
  const { heads: H, feedForwardWidth: F } = layerShape(config, block);
  const inner = H * headWidthOf(config);
  const specs: ParameterSpec[] = [];
  const add = adder(specs, block);
  for (const name of ['q', 'k', 'v']) add(`h.${block}.attn.${name}`, D, inner);
  add(`h.${block}.attn.out`, inner, D);
  add(`h.${block}.ln1`, D);
  add(`h.${block}.mlp.fc`, D, F);
  add(`h.${block}.mlp.proj`, F, D);
  add(`h.${block}.ln2`, D);
  return specs;
}

/** The head that the task needs. `width` is that of the token embedding. */
export function headParameters(config: EncoderConfig, width: number): ParameterSpec[] {
  const { width: D, vocabularySize: V, task, tiedHead } = config;
  const specs: ParameterSpec[] = [];
  const add = adder(specs);
  if (task.kind === 'classify') {
    add('pooler', D, D);
    add('classifier', D, task.labels.length);
  }
  if (task.kind === 'masked') {
    add('transform', D, width);
    add('transform.norm', width);
    if (!tiedHead) specs.push({ path: 'head.weight', role: 'linear', shape: [width, V] });
    specs.push({ path: 'head.bias', role: 'vector', shape: [V] });
  }
  return specs;
}

/** Heads and neurons of one block. */
export function blockUnits(config: EncoderConfig, { heads, feedForwardWidth }: LayerShape, block: number): UnitAxis[] {
  const paths = (names: readonly string[], ending: string): string[] => names.map((name) => `h.${block}.${name}.${ending}`);
  const head = [{ offset: 0, width: headWidthOf(config) }];
  const attention: UnitSide[] = [
    ...sidesOf('made', paths(['attn.q', 'attn.k', 'attn.v'], 'weight'), head),
    ...sidesOf('along', paths(['attn.q', 'attn.k', 'attn.v'], 'bias'), head),
    ...sidesOf('read', paths(['attn.out'], 'weight'), head),
  ];
  const neurons: UnitSide[] = [
    ...sidesOf('made', paths(['mlp.fc'], 'weight')),
    ...sidesOf('along', paths(['mlp.fc'], 'bias')),
    ...sidesOf('read', paths(['mlp.proj'], 'weight')),
  ];
  return [
    { name: `h.${block}.attn`, kind: 'heads', block, size: heads, sides: attention },
    { name: `h.${block}.mlp`, kind: 'ffn', block, size: feedForwardWidth, sides: neurons },
  ];
}

/**
 * The channels of the residual stream: what the blocks and heads read and write.
 *
 * @param blocks - whose parameters there are
 * @param embedding - what makes the channels before the first block, and the vectors over them
 * @param embeddingWidth - of the token embedding
 */
export function residualUnits(
  config: EncoderConfig,
  blocks: readonly number[],
  embedding: { readonly made: readonly string[]; readonly vectors: readonly string[] },
  embeddingWidth: number,
): UnitAxis {
  const { width } = config;
  const inBlocks = (names: readonly string[]): string[] => blocks.flatMap((block) => names.map((name) => `h.${block}.${name}`));
  const readers = inBlocks(['attn.q.weight', 'attn.k.weight', 'attn.v.weight', 'mlp.fc.weight']);
  const sides: UnitSide[] = [
    ...sidesOf('made', [...embedding.made, ...inBlocks(['attn.out.weight', 'mlp.proj.weight'])]),
    ...sidesOf('read', readers),
    ...headSides(config, embeddingWidth),
    ...sidesOf('along', embedding.vectors),
    ...sidesOf('along', inBlocks(['attn.out.bias', 'ln1.weight', 'ln1.bias', 'mlp.proj.bias', 'ln2.weight', 'ln2.bias'])),
  ];
  return { name: 'residual', kind: 'width', size: width, sides };
}

/** The layer in front of a head is square: what it writes is as wide as the model, and loses the channels of the same indices. */
function headSides({ task, width, tiedHead }: EncoderConfig, embeddingWidth: number): UnitSide[] {
  if (task.kind === 'embed') return [];
  if (task.kind === 'classify')
    return [...sidesOf('both', ['pooler.weight']), ...sidesOf('along', ['pooler.bias']), ...sidesOf('read', ['classifier.weight'])];
  if (embeddingWidth !== width) return sidesOf('read', ['transform.weight']);
  return [
    ...sidesOf('both', ['transform.weight']),
    ...sidesOf('along', ['transform.bias', 'transform.norm.weight', 'transform.norm.bias']),
    ...(tiedHead ? [] : sidesOf('read', ['head.weight'])),
  ];
}

export function blockResidualOutputs(block: number): readonly string[] {
  return [`h.${block}.attn.out.weight`, `h.${block}.mlp.proj.weight`];
}

/** tokens int64 [B, T] -> rows [B*T, E] after the norm; E is the width of the tables. */
export function embedTokens(config: EncoderConfig, net: Network, tokens: Value, width: number, firstPosition: number): Value {
  const { b } = net;
  const positions = firstPosition === 0 ? net.positions : b.add(net.positions, firstPosition);
  let x = b.add(net.embed('embed.token', tokens), net.embed('embed.position', positions)); // [B, T, E]
  if (config.tokenTypes > 0) x = b.add(x, net.embed('embed.type', net.tokenTypes ?? b.constant(int64([1], [0]))));
  const rows = b.reshape(x, [multiplyDims(at(tokens.shape, 0), at(tokens.shape, 1)), width]);
  return net.at('norm', () => layerNorm(config, net, 'embed.norm', rows));
}

/**
 * One block: attention to all real tokens, then the feed-forward part, each added to its input and normed. x [N, D] -> [N, D]
 *
 * @param block - whose parameters it uses
 * @param layer - its place among the layers, which is another where blocks are shared
 */
export function encoderBlock(config: EncoderConfig, net: Network, block: number, layer: number, x: Value, batch: Shape): Value {
  const { b } = net;
  const K = headWidthOf(config);
  const { heads: H } = layerShape(config, block);
  const attended = net.at('attn', () => {
    const project = (name: string): Value => b.reshape(net.linear(`h.${block}.attn.${name}`, x), [...batch, H, K]); // [B, T, H, K]
    return net.linear(`h.${block}.attn.out`, net.attend(layer, project('q'), project('k'), project('v'), { sees: 'all' }));
  });
  const middle = net.at('ln1', () => layerNorm(config, net, `h.${block}.ln1`, b.add(x, attended)));
  const transformed = net.at('mlp', () => {
    const inner = activations[config.activation](b, net.linear(`h.${block}.mlp.fc`, middle)); // [N, F]
    return net.linear(`h.${block}.mlp.proj`, inner);
  });
  return net.tap(
    `h.${layer}`,
    net.at('ln2', () => layerNorm(config, net, `h.${block}.ln2`, b.add(middle, transformed))),
  );
}

/** hidden [..., D] -> logits [..., V] @throws AppError `unsupported` for another task */
export function maskedLogits(
  config: EncoderConfig,
  net: Network,
  hidden: Value,
  activation: EncoderConfig['activation'] = config.activation,
): Value {
  if (config.task.kind !== 'masked')
    throw new AppError(
      'unsupported',
      `the ${config.architecture} model has no logits of tokens: its task is ${config.task.kind}. Use a model with the task "masked".`,
    );
  const { b } = net;
  return net.at('head', () => {
    const transformed = layerNorm(config, net, 'transform.norm', activations[activation](b, net.linear('transform', hidden)));
    if (!config.tiedHead) return net.linear('head', transformed);
    return b.add(net.embedTransposed('embed.token', transformed), net.vector('head.bias'));
  });
}

/** Hidden state of each text's first token [B, D] -> [B, C] */
export function classify(net: Network, first: Value, activation: 'tanh' | 'relu'): Value {
  const { b } = net;
  return net.at('classifier', () => {
    const pooled = net.linear('pooler', first);
    return net.linear('classifier', activation === 'tanh' ? b.tanh(pooled) : b.maximum(pooled, 0));
  });
}

function layerNorm({ normEpsilon }: EncoderConfig, net: Network, path: string, x: Value): Value {
  return net.b.layerNorm(x, net.vector(`${path}.weight`), net.vector(`${path}.bias`), normEpsilon)[0];
}

/** Values meet nothing but weights before the product that reads them. */
export function blockLinearFeed(block: number): LinearFeed {
  return {
    source: `h.${block}.attn.v.weight`,
    firstColumn: 0,
    bias: `h.${block}.attn.v.bias`,
    readers: [`h.${block}.attn.out.weight`],
  };
}

/** The configuration of the same model with other sizes; the width of a head stays. */
export function resizedEncoder<Config extends EncoderConfig>(config: Config, sizes: ModelSizes): Config {
  const { headWidth: _, layerShapes: __, ...rest } = config;
  const { keyValueHeads: ___, ...fields } = sizeFields(config, sizes);
  const headWidth = headWidthOf(config);
  return { ...rest, ...fields, ...(fields.width === fields.heads * headWidth ? {} : { headWidth }) } as Config;
}
