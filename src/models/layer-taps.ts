// Where the states and attentions of a model's layers are found in its network, for every architecture.
import { AppError } from '#base';
import type { HeadLayout } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { isEncoderDecoder, type ModelConfig } from './config.ts';
import { layerShape } from './layer-shapes.ts';
import { resultTaps } from './network.ts';

/** One stack of layers as somebody sees it who compares models. */
export interface LayerTaps {
  /** Tap of what the first layer reads, rows [N, D]. */
  readonly input: string;
  /** Taps of the layers' results, rows [N, D], which are the names of their attentions too. */
  readonly layers: readonly string[];
  /** Tap of what comes behind the last norm, rows [N, D]. */
  readonly result: string;
  /** Of each layer's attention to its own sequence. */
  readonly heads: readonly HeadLayout[];
}

/**
 * @param stack - of an encoder-decoder; its decoder when absent
 * @throws AppError `invalid_argument` for a stack of a model that has but one
 */
export function layerTaps(config: ModelConfig, stack?: 'encoder' | 'decoder'): LayerTaps {
  const { heads } = architectureOf(config);
  if (!isEncoderDecoder(config)) {
    if (stack !== undefined)
      throw new AppError('invalid_argument', `stack: a ${config.architecture} model has one stack of layers, and no ${stack} beside it.`, {
        details: { field: 'stack' },
      });
    const indices = Array.from({ length: config.layers }, (_, layer) => layer);
    return {
      input: 'embed',
      layers: indices.map((layer) => `h.${layer}`),
      result: resultTaps.hidden,
      heads: indices.map((layer) => heads(config, layer)),
    };
  }
  const isEncoder = stack === 'encoder';
  const side = isEncoder ? 'encoder' : 'decoder';
  const layers = Array.from({ length: isEncoder ? config.encoder.layers : config.layers }, (_, layer) => layer);
  const ofEncoder = (layer: number): HeadLayout => {
    const { heads: count, keyValueHeads } = layerShape(config, layer);
    return { heads: count, keyValueHeads, headWidth: config.encoder.headWidth };
  };
  return {
    input: `${side}.embed`,
    layers: layers.map((layer) => `${side}.h.${layer}`),
    result: isEncoder ? resultTaps.encoded : resultTaps.hidden,
    heads: layers.map((layer) => (isEncoder ? ofEncoder(layer) : heads(config, layer))),
  };
}
