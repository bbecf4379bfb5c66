// SmoothQuant: large channels of activations made smaller, and the weights that read them larger, before both are rounded.
import { at, invariant, type OperationContext } from '#base';
import { type Model, materializeParameter, slotName } from '#models';
import type { Calibration } from '../calibration.ts';
import { type ChannelFeed, chooseFeeds, scalableSlot, scaleChannels } from './channel-scales.ts';

/** Smallest scale: a channel is made at most this much larger. */
const smallestScale = 1e-5;

/** A model that computes the same, and what became of each selected matrix. */
export interface Rescaled {
  readonly model: Model;
  /** By path. */
  readonly notes: ReadonlyMap<string, string>;
  /** Matrices whose inputs are scaled by what makes them. */
  readonly folded: ReadonlySet<string>;
}

/**
 * s_j = max|x_j|^alpha / max|W_j|^(1 − alpha) over all weights that read channel j, divided out of the norm before and multiplied into the weights.
 *
 * Matrices whose input is no norm's result alone stay as they are, with a note. Channels that are zero on all of the text keep their scale.
 *
 * @see G. Xiao et al., "SmoothQuant: accurate and efficient post-training quantization for large language models", ICML 2023
 */
export async function smoothModel(
  model: Model,
  paths: readonly string[],
  alpha: number,
  calibration: Calibration,
  context: OperationContext,
): Promise<Rescaled> {
  const { feeds, reasons } = chooseFeeds(model, new Set(paths), false);
  const inputOf = ({ readers }: ChannelFeed): string => {
    const reader = at(readers, 0);
    return slotName(reader, scalableSlot(model.parameters.get(reader)) ?? '');
  };
  const ranges = new Map(
    (feeds.length === 0 ? [] : await calibration.inputRanges(model, feeds.map(inputOf), context)).map(
      (range) => [range.slot, range] as const,
    ),
  );
  const notes = new Map(paths.map((path) => [path, `not smoothed: ${reasons.get(path) ?? 'its input is not the result of a norm alone'}`]));
  const folded = new Set<string>();
  let smoothed = model;
  for (const feed of feeds) {
    const range = ranges.get(inputOf(feed));
    invariant(range !== undefined, `calibration did not answer for ${inputOf(feed)}`);
    const activations = range.high.map((high, channel) => Math.max(high, -at(range.low, channel)));
    const scales = smoothingScales(activations, rowMaxima(model, feed.readers, activations.length), alpha);
    smoothed = scaleChannels(smoothed, feed, scales);
    const numDead = activations.filter((largest) => largest === 0).length;
    for (const path of feed.readers) {
      folded.add(path);
      notes.set(path, `smoothed by ${feed.maker}${numDead === 0 ? '' : `, but for ${numDead} channels that are zero on the text`}`);
    }
  }
  return { model: smoothed, notes, folded };
}

/** s of each channel. */
export function smoothingScales(activations: Float64Array, weights: Float64Array, alpha: number): Float64Array {
  return activations.map((activation, channel) => {
    const weight = at(weights, channel);
    return activation === 0 || weight === 0 ? 1 : Math.max(smallestScale, activation ** alpha / weight ** (1 - alpha));
  });
}

/** max|W_j| of each row over several weights [K, …]. */
function rowMaxima(model: Model, paths: readonly string[], width: number): Float64Array {
  const maxima = new Float64Array(width);
  for (const path of paths) {
    const { data } = materializeParameter(model, path);
    const columns = data.length / width;
    for (const [index, value] of data.entries()) {
      const row = Math.floor(index / columns);
      maxima[row] = Math.max(at(maxima, row), Math.abs(value));
    }
  }
  return maxima;
}
