// The scales of AWQ put into what makes the inputs: norms before, or the linear layer before.
import { at, invariant, type OperationContext, throwIfCancelled } from '#base';
import { codeLayout, type Model, materializeParameter, parameterSpecs, parametrizationOf } from '#models';
import type { Calibration } from '../calibration.ts';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { inputsOfLayers } from '../decomposition/layer-inputs.ts';
import { slotRows } from '../decomposition/slot-matrices.ts';
import { type Reader, searchInputScales } from './awq.ts';
import { type ChannelFeed, chooseFeeds, scaleChannels } from './channel-scales.ts';
import type { CodeSettings } from './slot-codes.ts';
import type { Rescaled } from './smooth.ts';

/**
 * Chooses one vector of scales for all dense weights that read an input, and moves it into what makes the input: nothing more is stored then, and
 * nothing is divided while the model runs. Inputs that come from elsewhere get their scales later, as a stored vector.
 */
export async function awqModel(
  model: Model,
  paths: readonly string[],
  codes: CodeSettings,
  calibration: Calibration,
  matrices: EngineMatrices,
  context: OperationContext,
): Promise<Rescaled> {
  const dense = paths.filter((path) => model.parameters.get(path)?.kind === 'dense');
  const { feeds } = chooseFeeds(model, new Set(dense), true);
  const byReader = new Map(feeds.map((feed) => [at(feed.readers, 0), feed] as const));
  const folded = new Set<string>();
  const notes = new Map<string, string>();
  if (feeds.length === 0) return { model, notes, folded };
  let scaled = model;
  let step = 0;
  for await (const { target: feed, inputs } of inputsOfLayers(calibration, model, byReader, matrices, context)) {
    throwIfCancelled(context.signal);
    const scales = await searchInputScales(matrices, readersOf(model, feed, codes), inputs);
    if (scales !== undefined) scaled = scaleChannels(scaled, feed, Float64Array.from(scales));
    for (const reader of feed.readers) {
      folded.add(reader);
      if (scales !== undefined) notes.set(reader, `scales of its inputs are in ${feed.maker}`);
    }
    context.report({ phase: 'scale inputs', step: ++step, total: feeds.length, item: feed.maker });
  }
  return { model: scaled, notes, folded };
}

function readersOf(model: Model, feed: ChannelFeed, codes: CodeSettings): Reader[] {
  const specs = parameterSpecs(model);
  return feed.readers.map((path) => {
    const [parameter, spec] = [model.parameters.get(path), specs.get(path)];
    invariant(parameter !== undefined && spec !== undefined, `${path} is a part of a feed but not of the model`);
    const slot = parametrizationOf(parameter).slots(spec, parameter.settings)['value'];
    const layout = slot === undefined ? undefined : codeLayout(slot);
    invariant(layout !== undefined, `${path} is dense and has rows`);
    return { rows: slotRows(materializeParameter(model, path), layout), shape: { ...layout, ...codes } };
  });
}
