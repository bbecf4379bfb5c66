// Tiny random models of both families, and their logits on the host as the oracle.
import { Random } from '#base';
import type { Engine } from '#engine';
import { buildLogitsGraph, initializeModel, type Model, type ModelConfig, uploadModel } from '#models';
import { int64, toNumbers } from '#tensor';
import type { TokenCorpus } from '#text';

const shared = {
  vocabularySize: 19,
  width: 16,
  layers: 2,
  heads: 2,
  feedForwardWidth: 24,
  maxPositions: 32,
  normEpsilon: 1e-5,
  endTokens: [0],
};

export const gpt2Config: ModelConfig = { ...shared, architecture: 'gpt2', tiedHead: true, activation: 'geluTanh' };

export const llamaConfig: ModelConfig = {
  ...shared,
  architecture: 'llama',
  tiedHead: false,
  keyValueHeads: 1,
  headWidth: 8,
  rotaryBase: 10_000,
  rotaryScaling: { kind: 'none' },
  activation: 'silu',
  attentionBias: false,
  feedForwardBias: false,
};

/** Weights large enough that different seeds predict different tokens. */
export function tinyModel(config: ModelConfig, seed: number): Model {
  return initializeModel(config, new Random(seed), 0.6);
}

export function randomCorpus(length: number, documentStarts: readonly number[] = [0]): TokenCorpus {
  const random = new Random(3);
  return {
    tokens: Int32Array.from({ length }, () => 1 + random.integer(shared.vocabularySize - 1)),
    documentStarts: Int32Array.from(documentStarts),
    bytes: 4 * length,
    fingerprint: 'f',
    tokenizerHash: 't',
  };
}

/** ln softmax of the logits after `tokens`, a row a position: [T][V]. */
export async function logProbabilities(model: Model, engine: Engine, tokens: readonly number[]): Promise<number[][]> {
  const program = await engine.compile(buildLogitsGraph(model, { batch: 1, length: tokens.length }));
  const weights = uploadModel(engine, model);
  const outputs = await program.run({ ...weights, tokens: int64([1, tokens.length], tokens) });
  const logits = Array.from(toNumbers(outputs['logits']!.read()));
  for (const buffer of [...Object.values(weights), ...Object.values(outputs)]) buffer.release();
  await program.release();
  const V = model.config.vocabularySize;
  return tokens.map((_, position) => {
    const row = logits.slice(position * V, (position + 1) * V);
    const largest = Math.max(...row);
    const logSum = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    return row.map((logit) => logit - logSum);
  });
}

export function topToken(row: readonly number[]): number {
  return row.indexOf(Math.max(...row));
}
