// The device memory of a model that generates, before it is loaded: weights, cache, and what a step holds.
import type { Engine } from '#engine';
import { optimizeGraph } from '#graph';
import { buildDecodeGraph, type Model, modelInputs } from '#models';
import { tensorBytes } from '#tensor';
import { blocksOf } from './cache-grid.ts';
import { KeyValueCaches } from './key-value-caches.ts';

export interface ServingSizes {
  /** Sequences that are decoded side by side. */
  readonly rows: number;
  /** Positions that a prompt and its answer share. */
  readonly contextTokens: number;
  /** Most tokens of a prompt in one step. */
  readonly prefillTokens: number;
}

export interface ServingMemory {
  /** Packed for the kernels, beside the tensors of the loaded model. */
  readonly weightBytes: number;
  /** All rows full. */
  readonly cacheBytes: number;
  /** Of the larger of a step of all rows and a piece of a prompt, its logits included. */
  readonly stepBytes: number;
}

/** Plans a model that multiplies as it is stored. @throws AppError `context_too_long` | `unsupported` as compiling it */
export async function planServing(
  engine: Engine,
  model: Model,
  { rows, contextTokens, prefillTokens }: ServingSizes,
): Promise<ServingMemory> {
  const graph = optimizeGraph(
    buildDecodeGraph(model, { batch: 'B', length: 'T', room: 'S', positionLimit: contextTokens, logits: 'rows' }),
  );
  const frozen = new Map(modelInputs(model));
  const blocks = blocksOf(contextTokens);
  const logitBytes = 4 * model.config.vocabularySize;
  const steps = [
    { B: rows, T: 1, M: rows },
    { B: 1, T: Math.min(prefillTokens, contextTokens), M: 1 },
  ];
  const needed: number[] = [];
  for (const step of steps) {
    const sizes = new Map(Object.entries({ ...step, S: contextTokens }));
    const { scratchBytes } = await engine.planRun(graph, { name: 'step', sizes, frozen });
    needed.push(scratchBytes + step.M * logitBytes);
  }
  return {
    weightBytes: [...frozen.values()].reduce((sum, tensor) => sum + tensorBytes(tensor), 0),
    cacheBytes: rows * blocks * new KeyValueCaches(engine, model.config).blockBytes,
    stepBytes: Math.max(...needed),
  };
}
