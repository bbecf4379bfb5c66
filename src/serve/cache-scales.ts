// How large the keys and values of a model become: the scales of a cache of 8-bit codes, measured once when a model is loaded.
import { at, invariant, Random } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { borrowModel, type CacheTensor, cacheTensors, graphNames, type Model, promptIds } from '#models';
import { float32, type HostTensor, int32, int64 } from '#tensor';
import type { CacheBinding } from './key-value-caches.ts';
import { compileSteps, type StepProgramOptions, type StepPrograms } from './step-programs.ts';

/** Tokens that are looked at: positions from the first on, several times over where the context is short. */
const numTokens = 1024;
const pieceTokens = 256;
/** Codes reach so much further than anything that was seen: what lies beyond is cut off, which costs more than coarser codes. Measured on text. */
const margin = 1.6;
const largestCode = 127;

/**
 * The scales [1, G, 1, K] of the codes of each cache, by the name of their input: for each channel the largest number seen over arbitrary tokens.
 *
 * Tokens are drawn evenly from the vocabulary, behind a trained prompt where the model has one: they need no text, and reach further than text does.
 *
 * @throws AppError `engine_failure` | `out_of_memory`
 */
export async function cacheScales(
  engine: Engine,
  model: Model,
  { name, contextTokens, weights }: StepProgramOptions,
): Promise<ReadonlyMap<string, HostTensor>> {
  // Not packed for the fastest kernels: a few runs do not pay for that.
  const parameters = weights ?? borrowModel(engine, model);
  try {
    const programs = await compileSteps(engine, model, { name: `${name} cache scales`, contextTokens, weights: parameters });
    try {
      return await measured(engine, model, programs, Math.min(contextTokens, numTokens));
    } finally {
      await programs.release();
    }
  } finally {
    if (weights === undefined) for (const buffer of Object.values(parameters)) buffer.release();
  }
}

async function measured(engine: Engine, model: Model, programs: StepPrograms, length: number): Promise<ReadonlyMap<string, HostTensor>> {
  const front = promptIds(model.config);
  const random = new Random(1);
  const tensors = cacheTensors(model, 1, length);
  const largest = tensors.map(({ shape: [, G = 0, , K = 0] }) => new Float32Array(G * K));
  const buffers: DeviceBuffer[] = [];
  try {
    for (const { shape, dtype } of tensors) buffers.push(engine.allocate({ dtype, shape }));
    const named = (side: 'input' | 'output'): Record<string, DeviceBuffer> =>
      Object.fromEntries(tensors.map((tensor, index) => [tensor[side], at(buffers, index)]));
    const cache = { inputs: named('input'), outputs: named('output') };
    for (let sequence = 0; sequence * length < numTokens; sequence++) {
      const tokens = Array.from({ length }, (_, index) => front[index] ?? random.integer(model.config.vocabularySize));
      await runTokens(programs, cache, tokens);
      for (const [index, buffer] of buffers.entries()) keepLargest(at(largest, index), buffer.read());
    }
  } finally {
    for (const buffer of buffers) buffer.release();
  }
  return new Map(cacheTensors(model, 1, length, 'int8').map((tensor, index) => [tensor.scales, scalesOf(tensor, at(largest, index))]));
}

/** One sequence from the first position on. */
async function runTokens(programs: StepPrograms, cache: CacheBinding, tokens: readonly number[]): Promise<void> {
  for (let start = 0; start < tokens.length; start += pieceTokens) {
    const piece = tokens.slice(start, start + pieceTokens);
    const inputs = {
      [graphNames.tokens]: int64([1, piece.length], piece),
      [graphNames.positions]: int64(
        [1, piece.length],
        piece.map((_, index) => start + index),
      ),
      [graphNames.lastIndex]: int32([1], [start + piece.length - 1]),
      [graphNames.totalLength]: int32([1], [start + piece.length]),
      [graphNames.logitRows]: int64([1], [0]),
    };
    (await programs.run(inputs, cache, undefined)).release();
  }
}

/** Keys or values [1, G, S, K] into the largest of each channel [G*K]. */
function keepLargest(largest: Float32Array, { data, shape: [, , S = 0, K = 0] }: HostTensor): void {
  invariant(data instanceof Float32Array, 'the cache that is looked at is float32');
  for (const [index, value] of data.entries()) {
    const channel = Math.floor(index / (S * K)) * K + (index % K);
    largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(value));
  }
}

/** Heads of codes may be wider than those that were seen. A channel that is always zero gets the scale 1. */
function scalesOf({ shape: [, G = 0, , width = 0] }: CacheTensor, largest: Float32Array): HostTensor {
  const K = largest.length / G;
  const scales = Float32Array.from({ length: G * width }, (_, index) => {
    const value = index % width < K ? (largest[Math.floor(index / width) * K + (index % width)] ?? 0) : 0;
    return value === 0 ? 1 : (margin * value) / largestCode;
  });
  return float32([1, G, 1, width], scales);
}
