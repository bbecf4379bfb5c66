// How large a side network is, and which layers of the model it reads.
import { AppError, at } from '#base';
import { type Ladder, layerShape, type Model, unitNames } from '#models';

export interface SideSizes {
  /** What the model's width, heads and neurons are divided by. */
  readonly reduction: number;
  /** Layers that are read; all when absent. */
  readonly layers?: readonly number[] | undefined;
  readonly mixesOutput: boolean;
}

/**
 * The ladder for a model: width, heads and neurons divided by `reduction`, the width of a head as it is. A model with fewer heads than the
 * reduction gets a side network of one.
 *
 * @throws AppError `invalid_argument` for a reduction that does not divide the model's sizes | `bad_recipe` for a layer that the model lacks or that is
 * named twice | `unsupported` for a model that has a ladder, halts or has two stacks
 */
export function ladderOf({ config }: Pick<Model, 'config'>, { reduction, layers, mixesOutput }: SideSizes): Ladder {
  if (config.ladder !== undefined)
    throw new AppError('unsupported', 'ladder: the model has a side network already. Start from the model without it.');
  if (config.prompt !== undefined)
    throw new AppError(
      'unsupported',
      'ladder: the model has a trained prompt, whose rows the side network would not see. Start without it.',
    );
  if (config.halting !== undefined)
    throw new AppError('unsupported', 'ladder: reads every layer once, and this model repeats its layers until it halts.');
  if (config.architecture === 'encoderDecoder')
    throw new AppError('unsupported', 'ladder: stands beside one stack of layers, and an encoder-decoder has two. Use lora or an adapter.');
  const read = chosenLayers(layers, config.layers);
  const shapes = read.map((layer) => layerShape(config, layer));
  const smallest = (name: 'keyValueHeads' | 'feedForwardWidth'): number => Math.min(...shapes.map((shape) => shape[name]));
  const divided = (size: number, what: string): number => {
    if (size % reduction === 0) return size / reduction;
    const known = divisors(size);
    throw new AppError(
      'invalid_argument',
      `ladder.reduction: ${reduction} does not divide ${size} ${what}. Choose one of ${known.join(', ')}.`,
      { details: { field: 'ladder.reduction', reduction, size } },
    );
  };
  const first = at(shapes, 0);
  const groups = smallest('keyValueHeads');
  const keyValueHeads = groups < reduction ? 1 : divided(groups, unitNames.heads);
  return {
    layers: read,
    width: divided(config.width, unitNames.width),
    heads: keyValueHeads * (first.heads / first.keyValueHeads),
    keyValueHeads,
    feedForwardWidth: divided(smallest('feedForwardWidth'), unitNames.ffn),
    mixesOutput,
  };
}

function chosenLayers(layers: readonly number[] | undefined, size: number): number[] {
  if (layers === undefined) return Array.from({ length: size }, (_, layer) => layer);
  const unknown = layers.find((layer) => layer >= size);
  if (unknown !== undefined)
    throw new AppError('bad_recipe', `ladder.layers: layer ${unknown} is outside 0..${size - 1}. Name layers that the model has.`, {
      details: { field: 'ladder.layers', layer: unknown },
    });
  const twice = layers.find((layer, index) => layers.indexOf(layer) !== index);
  if (twice !== undefined)
    throw new AppError('bad_recipe', `ladder.layers: layer ${twice} is named twice. Name each once.`, {
      details: { field: 'ladder.layers' },
    });
  return [...layers].sort((left, right) => left - right);
}

function divisors(size: number): number[] {
  return Array.from({ length: Math.min(size, 64) }, (_, index) => index + 1).filter((divisor) => size % divisor === 0);
}
