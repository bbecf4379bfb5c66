// The fixed batch of tokens that a result is run on, and what it answers: logits of tokens or of labels, or embeddings.
import { at, invariant, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { borrowModel, buildTaskGraph, graphNames, type Model, type ModelConfig } from '#models';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';

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

export interface ProbeAnswer {
  readonly numbers: Float32Array;
  /** Numbers that belong together: the logits of one token or text, or one embedding. */
  readonly width: number;
}

/** What a model of any task answers to the probe's tokens. Holds the weights on the device for the call. */
export async function probeAnswer(engine: Engine, model: Model, { signal }: Pick<OperationContext, 'signal'>): Promise<ProbeAnswer> {
  const tokens = probeTokens(model.config);
  const [batch = 0, length = 0] = tokens.shape;
  const program = await engine.compile(buildTaskGraph(model, { batch, length }), { name: 'verification' });
  const weights = borrowModel(engine, model);
  try {
    const mask = hostTensor('bool', tokens.shape);
    mask.data.fill(1);
    const available: Record<string, HostTensor | (typeof weights)[string]> = {
      ...weights,
      [graphNames.tokens]: tokens,
      [graphNames.mask]: mask,
      [graphNames.tokenTypes]: hostTensor('int64', tokens.shape),
    };
    const inputs = Object.fromEntries(Object.entries(available).filter(([name]) => program.inputNames.includes(name)));
    const results = Object.values(await program.run(inputs, { signal }));
    const [answer] = results;
    invariant(answer !== undefined && results.length === 1, 'the graph of a task has one answer');
    try {
      return { numbers: Float32Array.from(toNumbers(answer.read())), width: at(answer.shape, answer.shape.length - 1) };
    } finally {
      answer.release();
    }
  } finally {
    for (const buffer of Object.values(weights)) buffer.release();
    await program.release();
  }
}
