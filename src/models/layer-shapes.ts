// Sizes of single layers, for models whose layers differ, and configurations with other sizes.
import { at } from '#base';
import { type EncoderDecoderConfig, isEncoderDecoder, type LayerShape, type ModelConfig } from './config.ts';

/** Sizes of a stack of blocks, and where its blocks begin among those of the model. */
export interface StackSizes extends Pick<ModelConfig, 'layers' | 'heads' | 'feedForwardWidth'> {
  readonly firstBlock: number;
  /** In front of the fields of the configuration that say them. */
  readonly place: '' | 'encoder.';
}

/** The stacks of a model: one, or an encoder's and then a decoder's. */
export function stackSizes(config: ModelConfig): readonly StackSizes[] {
  const { layers, heads, feedForwardWidth } = config;
  const firstBlock = isEncoderDecoder(config) ? config.encoder.layers : 0;
  const last: StackSizes = { place: '', firstBlock, layers, heads, feedForwardWidth };
  return isEncoderDecoder(config) ? [{ place: 'encoder.', firstBlock: 0, ...config.encoder }, last] : [last];
}

/**
 * The sizes of one block; the configuration's own where all blocks have the same.
 *
 * @param layer - blocks count through all stacks
 */
export function layerShape(config: ModelConfig, layer: number): LayerShape {
  if (isEncoderDecoder(config)) return blockShape(config, layer);
  if (config.layerShapes !== undefined) return at(config.layerShapes, layer);
  const keyValueHeads = 'keyValueHeads' in config ? config.keyValueHeads : config.heads;
  return { heads: config.heads, keyValueHeads, feedForwardWidth: config.feedForwardWidth };
}

/** A decoder's block has `crossHeads` too. */
function blockShape(config: EncoderDecoderConfig, block: number): LayerShape {
  const { encoder, layerShapes: shapes } = config;
  const isInEncoder = block < encoder.layers;
  const { heads, feedForwardWidth } = isInEncoder ? encoder : config;
  const shape = shapes === undefined ? { heads, keyValueHeads: heads, feedForwardWidth } : at(shapes, block);
  return isInEncoder ? shape : { crossHeads: shape.heads, ...shape };
}

/** The sizes of all blocks. */
export function layerShapes(config: ModelConfig): LayerShape[] {
  const blocks = stackSizes(config).reduce((sum, { layers }) => sum + layers, 0);
  return Array.from({ length: blocks }, (_, layer) => layerShape(config, layer));
}

/** K */
export function headWidthOf(config: ModelConfig): number {
  return ('headWidth' in config ? config.headWidth : undefined) ?? config.width / config.heads;
}

/** What removing units changes. */
export interface ModelSizes {
  /** One entry a block that stays. */
  readonly layerShapes?: readonly LayerShape[];
  /** The blocks of the new model by their indices in the old one; one may come several times. All, in order, when absent. */
  readonly keptLayers?: readonly number[];
  /** D */
  readonly width?: number;
}

/** The fields of every configuration that follow from new sizes. The sizes that stand for all blocks are those of the largest. */
export type SizeFields = Pick<ModelConfig, 'layers' | 'width' | 'heads' | 'feedForwardWidth' | 'layerShapes'> &
  Pick<LayerShape, 'keyValueHeads'>;

/** `layerShapes` is there only where blocks differ. */
export function sizeFields(config: ModelConfig, sizes: ModelSizes): SizeFields {
  const shapes = sizes.layerShapes ?? layerShapes(config);
  const first = at(shapes, 0);
  const isUniform = shapes.every((shape) => sizeNames.every((name) => shape[name] === first[name]));
  const largest = (name: (typeof sizeNames)[number]): number => Math.max(...shapes.map((shape) => shape[name]));
  return {
    layers: shapes.length,
    width: sizes.width ?? config.width,
    heads: largest('heads'),
    keyValueHeads: largest('keyValueHeads'),
    feedForwardWidth: largest('feedForwardWidth'),
    ...(isUniform ? {} : { layerShapes: shapes }),
  };
}

const sizeNames = ['heads', 'keyValueHeads', 'feedForwardWidth'] as const satisfies readonly (keyof LayerShape)[];
