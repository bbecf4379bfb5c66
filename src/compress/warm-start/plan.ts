// Which parameter of an encoder of texts becomes which parameter of an encoder-decoder, and the configuration of the whole.
import { AppError } from '#base';
import {
  type BertConfig,
  type EncoderDecoderConfig,
  headWidthOf,
  isEncoderDecoder,
  layerShapes,
  type ModelConfig,
  type ParameterSpec,
  parameterSpecs,
} from '#models';
import type { WarmStartSettings } from './settings.ts';

export type Side = 'encoder' | 'decoder';

/** What one parameter of the encoder-decoder starts as. */
export type Origin =
  /** The weight of this path in the model that gives the side. */
  | { readonly kind: 'copied'; readonly side: Side; readonly path: string }
  /** The weight of another parameter of the encoder-decoder. */
  | { readonly kind: 'shared'; readonly owner: string }
  | { readonly kind: 'new' }
  | { readonly kind: 'zeros' };

export interface PlannedStart {
  readonly spec: ParameterSpec;
  readonly origin: Origin;
}

/** The configurations that give each side its sizes, whether or not they give it weights. */
export type SideConfigs = { readonly [S in Side]: BertConfig };

/** Tokens around a text. */
export interface BoundaryTokens {
  readonly startToken: number;
  readonly endToken: number;
}

/** @throws AppError `unsupported` for a model that is no BERT, RoBERTa or DistilBERT of plain form */
export function requireBert(config: ModelConfig, what: string): BertConfig {
  const fail = (is: string): AppError =>
    new AppError(
      'unsupported',
      `warmStart: ${what} is ${is}; both stacks of this encoder-decoder are blocks of BERT, RoBERTa or DistilBERT. Give such a model, or "random".`,
    );
  if (isEncoderDecoder(config)) throw fail('an encoder-decoder already');
  if (config.architecture !== 'bert')
    throw fail(`of the architecture ${config.architecture}, whose blocks, positions or embeddings are others`);
  if (config.embedding !== undefined || config.halting !== undefined) throw fail('a model with a narrow embedding or with halting');
  if (config.family === 'roberta' && config.activation !== 'gelu')
    throw fail(`a RoBERTa with the activation ${config.activation}, whose head has another one than its blocks`);
  return config;
}

/** RoBERTa counts positions from the row behind that of the padding. */
function firstPosition({ family, padToken }: BertConfig): number {
  return family === 'roberta' ? padToken + 1 : 0;
}

/**
 * The configuration of two such stacks: that of transformers' EncoderDecoderModel.
 *
 * @throws AppError `shape_mismatch` | `bad_recipe` for stacks that do not fit together
 */
export function warmStartConfig({ encoder, decoder }: SideConfigs, tokens: BoundaryTokens): EncoderDecoderConfig {
  const alike = {
    width: ({ width }: BertConfig) => width,
    vocabularySize: ({ vocabularySize }: BertConfig) => vocabularySize,
    maxPositions: ({ maxPositions }: BertConfig) => maxPositions,
    headWidth: headWidthOf,
    activation: ({ activation }: BertConfig) => activation,
    normEpsilon: ({ normEpsilon }: BertConfig) => normEpsilon,
    tokenTypes: ({ tokenTypes }: BertConfig) => Math.max(1, tokenTypes),
    padToken: ({ padToken }: BertConfig) => padToken,
    'first position': firstPosition,
  };
  for (const [field, read] of Object.entries(alike)) {
    const [ours, theirs] = [read(encoder), read(decoder)];
    if (ours === theirs) continue;
    const isSize = field === 'width' || field === 'vocabularySize' || field === 'maxPositions' || field === 'headWidth';
    const message = `warmStart: ${field} is ${ours} in the encoder's model and ${theirs} in the decoder's; it must be the same. Use two models of one family.`;
    throw new AppError(isSize ? 'shape_mismatch' : 'bad_recipe', message, { details: { field, encoder: ours, decoder: theirs } });
  }
  const sizes = ({ layers, heads, feedForwardWidth }: BertConfig) => ({ layers, heads, feedForwardWidth });
  const headWidth = headWidthOf(decoder);
  const isUneven = encoder.layerShapes !== undefined || decoder.layerShapes !== undefined;
  return {
    architecture: 'encoderDecoder',
    vocabularySize: decoder.vocabularySize,
    sourceVocabularySize: encoder.vocabularySize,
    width: decoder.width,
    ...sizes(decoder),
    headWidth,
    encoder: { ...sizes(encoder), headWidth },
    ...(isUneven
      ? { layerShapes: [...layerShapes(encoder), ...layerShapes(decoder).map((shape) => ({ ...shape, crossHeads: shape.heads }))] }
      : {}),
    maxPositions: decoder.maxPositions,
    tiedHead: decoder.task.kind === 'masked' ? decoder.tiedHead : true,
    normEpsilon: decoder.normEpsilon,
    norm: 'layer',
    normPlacement: 'after',
    embeddingNorm: true,
    finalNorm: false,
    positions: { kind: 'learned', offset: firstPosition(decoder) },
    biases: true,
    headBias: true,
    scaledEmbedding: false,
    scaledScores: true,
    scaledHead: false,
    gated: false,
    activation: decoder.activation,
    // DistilBERT has no token types: a row of zeros adds nothing, and is what transformers' layout has.
    tokenTypes: Math.max(1, decoder.tokenTypes),
    headTransform: true,
    startToken: tokens.startToken,
    padToken: decoder.padToken,
    endTokens: [tokens.endToken],
  };
}

/** Our names of BERT's modules, by those of a stack of the encoder-decoder. */
const bertModules: Readonly<Record<string, string>> = {
  position: 'embed.position',
  type: 'embed.type',
  'embed.norm': 'embed.norm',
  'attn.norm': 'ln1',
  'mlp.norm': 'ln2',
};

/** Our names of the modules outside the stacks; all of them are the decoder's. */
const bertHeads: Readonly<Record<string, string>> = {
  'embed.token.weight': 'embed.token.weight',
  'head.transform.weight': 'transform.weight',
  'head.transform.bias': 'transform.bias',
  'head.transform.norm.weight': 'transform.norm.weight',
  'head.transform.norm.bias': 'transform.norm.bias',
  'head.weight': 'head.weight',
  'head.bias': 'head.bias',
};

interface BertPlace {
  readonly side: Side;
  readonly path: string;
}

/** The parameter of a BERT that a parameter of the encoder-decoder is; undefined for the decoder's attention to the source. */
export function bertPlace(path: string): BertPlace | undefined {
  if (path === 'embed.source.weight') return { side: 'encoder', path: 'embed.token.weight' };
  const head = bertHeads[path];
  if (head !== undefined) return { side: 'decoder', path: head };
  const [, side, block = '', module = '', ending = ''] = /^(encoder|decoder)\.(h\.\d+\.)?(.+)(\.\w+)$/.exec(path) ?? [];
  if (side === undefined || module.startsWith('cross.')) return undefined;
  return { side: side as Side, path: `${block}${bertModules[module] ?? module}${ending}` };
}

/** `decoder.h.3.cross.q.weight` -> `decoder.h.3.attn.q.weight`. */
function selfAttention(path: string): string {
  return path.replace('.cross.', '.attn.');
}

/**
 * The origin of every parameter.
 *
 * @see Rothe, Narayan and Severyn, "Leveraging Pre-trained Checkpoints for Sequence Generation Tasks", TACL 2020, §3
 */
export function planWarmStart(config: EncoderDecoderConfig, configs: SideConfigs, settings: WarmStartSettings): PlannedStart[] {
  const { share, crossAttention } = settings;
  const sharesEmbedding = sharesTokens(settings);
  const given = { encoder: parameterSpecs({ config: configs.encoder }), decoder: parameterSpecs({ config: configs.decoder }) };
  const specs = parameterSpecs({ config });
  return [...specs.values()].map((spec): PlannedStart => {
    const { path } = spec;
    if (sharesEmbedding && path === 'embed.source.weight') return { spec, origin: { kind: 'shared', owner: 'embed.token.weight' } };
    const twin = path.replace(/^decoder\./, 'encoder.');
    if (share && twin !== path && specs.has(twin)) return { spec, origin: { kind: 'shared', owner: twin } };
    const isCopiedCross = crossAttention === 'self' && path.includes('.cross.');
    const place = bertPlace(isCopiedCross ? selfAttention(path) : path);
    if (place === undefined) return { spec, origin: { kind: 'new' } };
    // One table for both sides is the trained one.
    const isOnlyTable = sharesEmbedding && path === 'embed.token.weight' && settings.decoder === 'random';
    const side = isOnlyTable ? 'encoder' : place.side;
    if (place.path === 'embed.type.weight' && !given[side].has(place.path)) return { spec, origin: { kind: 'zeros' } };
    if (settings[side] === 'random' || !given[side].has(place.path)) return { spec, origin: { kind: 'new' } };
    return { spec, origin: { kind: 'copied', side, path: place.path } };
  });
}

/** Whether both sides read one table of tokens. */
function sharesTokens({ encoder, decoder, share, shareEmbedding }: WarmStartSettings): boolean {
  return share || (shareEmbedding ?? (encoder === decoder || encoder === 'random' || decoder === 'random'));
}
