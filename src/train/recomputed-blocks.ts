// Where a network is cut for activation checkpointing: the results of its blocks.
import type { RecomputedBlock, Value } from '#graph';
import { type GraphNetwork, isEncoderDecoder, layerTaps, type ModelConfig } from '#models';

/** The blocks of a network that was built, in the order of its forward pass. */
export interface BlockOutputs {
  /** What the first block reads. */
  readonly start: Value;
  readonly outputs: readonly Value[];
}

/** Undefined for a network that is not made of blocks one after the other. */
export function blockOutputs(config: ModelConfig, { taps }: Pick<GraphNetwork, 'taps'>): BlockOutputs | undefined {
  const stacks = isEncoderDecoder(config) ? [layerTaps(config, 'encoder'), layerTaps(config, 'decoder')] : [layerTaps(config)];
  const start = taps.get(stacks[0]?.input ?? '');
  const outputs = stacks.flatMap(({ layers }) => layers.flatMap((name) => taps.get(name) ?? []));
  return start === undefined || outputs.length === 0 ? undefined : { start, outputs };
}

/** Each with its gradient. */
export function withGradients({ outputs }: BlockOutputs, gradients: readonly Value[]): RecomputedBlock[] {
  return outputs.flatMap((output, index) => {
    const dOutput = gradients[index];
    return dOutput === undefined ? [] : [{ output, dOutput }];
  });
}
