// A training inside a step, done once: its result is kept like a layer, so that a recipe that goes on neither trains again nor differs.
import { type Model, type Parameter, parameterCounts, replaceParameters } from '#models';
import type { TrainResult } from '#train';
import type { CompressionEnvironment } from './method.ts';

/** What a training made. */
export interface TrainedStep {
  /** Of the model that comes out; it has the configuration of `model`. */
  readonly parameters: readonly Parameter[];
  /** For people: steps, tokens, loss. */
  readonly note: string;
}

/** What a training leaves of the parameters that trained, all others being those of the model that it began with. */
export function trainedStep({ model, steps, tokensSeen, finalLoss }: TrainResult, trains: (path: string) => boolean): TrainedStep {
  const parameters = [...model.parameters.values()].filter(({ path }) => trains(path));
  return { parameters, note: `${steps} steps on ${tokensSeen.toLocaleString('en-US')} tokens, loss ${finalLoss.toFixed(4)}` };
}

/**
 * Recalls what an earlier attempt trained under `key`, or makes it, keeps it, and drops the checkpoints of the training.
 *
 * @param model - what the trained parameters are put into; only they may differ from it
 * @throws what `make` throws
 */
export async function trainOrRecall(
  { memory, training }: CompressionEnvironment,
  key: string,
  model: Model,
  make: () => Promise<TrainedStep>,
): Promise<{ readonly model: Model; readonly note: string }> {
  const known = await memory?.recall(key);
  if (known !== undefined) return { model: replaceParameters(model, known.parameters), note: known.layer.note ?? '' };
  const { parameters, note } = await make();
  const { storedBytes } = parameterCounts(model);
  const layer = { path: '*', kindBefore: '', kindAfter: '', bytesBefore: storedBytes, bytesAfter: storedBytes, weightError: 0, note };
  await memory?.remember(key, { layer, parameters });
  await training?.finished?.();
  return { model: replaceParameters(model, parameters), note };
}
