// The fixed batch of tokens that a result is run on, and its logits.
import { invariant, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { buildLogitsGraph, graphNames, type Model, type ModelConfig, uploadModel } from '#models';
import { type HostTensor, int64, toNumbers } from '#tensor';

/** B */
const sequences = 2;
/** T, unless the model has fewer positions. */
const longest = 16;

/** Ids over the whole vocabulary, the first and the last included, upwards and then downwards: [B, T]. */
export function probeTokens({ vocabularySize: V, maxPositions }: ModelConfig): HostTensor<'int64'> {
  const T = Math.min(longest, maxPositions);
  const upwards = Array.from({ length: T }, (_, index) => Math.floor((index * (V - 1)) / Math.max(1, T - 1)));
  return int64([sequences, T], [...upwards, ...upwards.toReversed()]);
}

/** Logits of the probe's tokens, [B, T, V]. Holds the weights on the device for the call. */
export async function probeLogits(engine: Engine, model: Model, { signal }: Pick<OperationContext, 'signal'>): Promise<Float32Array> {
  const tokens = probeTokens(model.config);
  const [batch = 0, length = 0] = tokens.shape;
  const program = await engine.compile(buildLogitsGraph(model, { batch, length }), { name: 'verification' });
  const weights = uploadModel(engine, model);
  try {
    const inputs: Record<string, HostTensor | (typeof weights)[string]> = { [graphNames.tokens]: tokens };
    for (const name of program.inputNames) {
      const weight = weights[name];
      if (weight !== undefined) inputs[name] = weight;
    }
    const { [graphNames.logits]: logits } = await program.run(inputs, { signal });
    invariant(logits !== undefined, 'the logits graph answers logits');
    try {
      return Float32Array.from(toNumbers(logits.read()));
    } finally {
      logits.release();
    }
  } finally {
    for (const buffer of Object.values(weights)) buffer.release();
    await program.release();
  }
}
