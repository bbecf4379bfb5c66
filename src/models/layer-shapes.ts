// Sizes of single layers, for models whose layers differ, and configurations with other sizes.
import { at } from '#base';
import type { LayerShape, ModelConfig } from './config.ts';

/** The sizes of one block; the configuration's own where all blocks have the same. */
export function layerShape(config: ModelConfig, layer: number): LayerShape {
  if (config.layerShapes !== undefined) return at(config.layerShapes, layer);
  const keyValueHeads = 'keyValueHeads' in config ? config.keyValueHeads : config.heads;
  return { heads: config.heads, keyValueHeads, feedForwardWidth: config.feedForwardWidth };
}

/** The sizes of all blocks. */
export function layerShapes(config: ModelConfig): LayerShape[] {
  return Array.from({ length: config.layers }, (_, layer) => layerShape(config, layer));
}

/** K */
export function headWidthOf(config: ModelConfig): number {
  return ('headWidth' in config ? config.headWidth : undefined) ?? config.width / config.heads;
}

/** What removing units changes. */
export interface ModelSizes {
  /** One entry a block that stays. */
  readonly layerShapes?: readonly LayerShape[];
  /** Indices of the blocks that stay; all when absent. */
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
  const largest = (name: keyof LayerShape): number => Math.max(...shapes.map((shape) => shape[name]));
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
