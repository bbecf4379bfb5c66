// The fixed batch that a result is run on, and what it answers.
import { at, invariant, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { buildTaskGraph, graphNames, isEncoderDecoder, type Model, type ModelConfig, uploadModel } from '#models';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';

/** B */
const sequences = 2;
/** T, unless the model has fewer positions. */
const longest = 16;

/** What a model answers to the probe: rows of logits or of sentence embeddings. */
export interface ProbeAnswer {
  readonly values: Float32Array;
  /** Of one row. */
  readonly width: number;
}

/** Ids over the whole vocabulary, the first and the last included, upwards and then downwards: [B, T]. */
function probeIds(vocabularySize: number, length: number): HostTensor<'int64'> {
  const upwards = Array.from({ length }, (_, index) => Math.floor((index * (vocabularySize - 1)) / Math.max(1, length - 1)));
  return int64([sequences, length], [...upwards, ...upwards.toReversed()]);
}

/** The last quarter of the second text is padding. */
function probeMask(shape: readonly number[]): HostTensor<'bool'> {
  const mask = hostTensor('bool', shape);
  mask.data.fill(1, 0, mask.data.length - Math.floor(at(shape, 1) / 4));
  return mask;
}

/** Every input that the graph of some task has besides the parameters. */
function probeInputs(config: ModelConfig): Readonly<Record<string, HostTensor>> {
  const T = Math.min(longest, config.maxPositions);
  const tokens = probeIds(config.vocabularySize, T);
  const { shape } = tokens;
  const sourceVocabulary = isEncoderDecoder(config) ? config.sourceVocabularySize : undefined;
  return {
    [graphNames.tokens]: tokens,
    [graphNames.mask]: probeMask(shape),
    [graphNames.tokenTypes]: hostTensor('int64', shape),
    [graphNames.source]: probeIds(sourceVocabulary ?? config.vocabularySize, T),
    [graphNames.sourceMask]: probeMask(shape),
  };
}

/** Number of tokens in the probe; of an encoder-decoder those of the targets. */
export function probeSize({ maxPositions }: ModelConfig): number {
  return sequences * Math.min(longest, maxPositions);
}

/** Runs the probe. Holds the weights on the device for the call. */
export async function probeModel(engine: Engine, model: Model, { signal }: Pick<OperationContext, 'signal'>): Promise<ProbeAnswer> {
  const given = probeInputs(model.config);
  const length = Math.min(longest, model.config.maxPositions);
  const program = await engine.compile(buildTaskGraph(model, { batch: sequences, length }), { name: 'verification' });
  const weights = uploadModel(engine, model);
  try {
    const inputs: Record<string, HostTensor | (typeof weights)[string]> = {};
    for (const name of program.inputNames) {
      const value = weights[name] ?? given[name];
      if (value !== undefined) inputs[name] = value;
    }
    const results = await program.run(inputs, { signal });
    const answer = results[graphNames.logits] ?? results[graphNames.embedding];
    invariant(answer !== undefined, 'the graph of a task answers logits or embeddings');
    try {
      const { shape } = answer;
      return { values: Float32Array.from(toNumbers(answer.read())), width: at(shape, shape.length - 1) };
    } finally {
      answer.release();
    }
  } finally {
    for (const buffer of Object.values(weights)) buffer.release();
    await program.release();
  }
}
