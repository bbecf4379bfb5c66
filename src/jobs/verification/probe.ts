// The fixed batch of tokens that a result is run on, and what it answers: logits of tokens or of labels, or embeddings.
import { at, chosen, invariant, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { borrowModel, buildTaskGraph, graphNames, isEncoderDecoder, type Model, type ModelConfig, textPositions } from '#models';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';

/** B */
const sequences = 2;
/** T, unless the model has fewer positions. */
const longest = 16;

/** Ids over the whole vocabulary, the first and the last included, upwards and then downwards: [B, T]. */
export function probeTokens(config: Pick<ModelConfig, 'vocabularySize' | 'maxPositions' | 'prompt'>): HostTensor<'int64'> {
  const { vocabularySize: V } = config;
  const T = Math.min(longest, textPositions(config));
  const upwards = Array.from({ length: T }, (_, index) => Math.floor((index * (V - 1)) / Math.max(1, T - 1)));
  return int64([sequences, T], [...upwards, ...upwards.toReversed()]);
}

/** Every input that the graph of some task has beside the parameters. The last quarter of the second text, or source, is padding. */
function probeInputs(config: ModelConfig): Readonly<Record<string, HostTensor>> {
  const tokens = probeTokens(config);
  const mask = hostTensor('bool', tokens.shape);
  mask.data.fill(1, 0, mask.data.length - Math.floor(at(tokens.shape, 1) / 4));
  const sources = isEncoderDecoder(config) ? (config.sourceVocabularySize ?? config.vocabularySize) : config.vocabularySize;
  return {
    [graphNames.tokens]: tokens,
    [graphNames.mask]: mask,
    [graphNames.tokenTypes]: hostTensor('int64', tokens.shape),
    [graphNames.source]: probeTokens({ ...config, vocabularySize: sources }),
    [graphNames.sourceMask]: mask,
  };
}

export interface ProbeAnswer {
  readonly numbers: Float32Array;
  /** Numbers that belong together: the logits of one token or text, or one embedding. */
  readonly width: number;
}

/** What a model of any task answers to the probe's tokens. Holds the weights on the device for the call. */
export async function probeAnswer(engine: Engine, model: Model, { signal }: Pick<OperationContext, 'signal'>): Promise<ProbeAnswer> {
  const [batch = 0, length = 0] = probeTokens(model.config).shape;
  const program = await engine.compile(buildTaskGraph(model, { batch, length }), { name: 'verification' });
  const weights = borrowModel(engine, model);
  try {
    const available: Record<string, HostTensor | (typeof weights)[string]> = { ...weights, ...probeInputs(model.config) };
    const results = Object.values(await program.run(chosen(available, program.inputNames), { signal }));
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
