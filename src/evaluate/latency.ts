// How long a prompt and a step of decoding take, at several batch sizes.
import { at, type Clock, type OperationContext, systemClock, throwIfCancelled, yieldToEventLoop } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { buildDecodeGraph, cacheTensors, graphNames, type Model, modelInputs } from '#models';
import { type HostTensor, int32, int64 } from '#tensor';
import type { LatencyResult } from './result.ts';

export interface LatencyOptions {
  readonly batches?: readonly number[];
  /** Length of every prompt; cut to three quarters of the model's positions. */
  readonly promptTokens?: number;
  readonly prefillRuns?: number;
  readonly decodeSteps?: number;
  readonly clock?: Clock;
}

/**
 * Measures prefill and decoding as serving runs them: weights packed into the program, caches updated in place on the device.
 *
 * A model that halts runs all its steps here; served, it ends when every position has. Medians after one warm-up each; the tokens are
 * arbitrary, because the time does not depend on them.
 */
export async function measureLatency(
  model: Model,
  engine: Engine,
  context: OperationContext,
  options: LatencyOptions = {},
): Promise<LatencyResult[]> {
  const { batches = [1, 8], prefillRuns = 5, decodeSteps = 16, clock = systemClock } = options;
  const promptTokens = Math.max(1, Math.min(options.promptTokens ?? 128, Math.floor((model.config.maxPositions * 3) / 4)));
  const steps = Math.min(decodeSteps, model.config.maxPositions - promptTokens - 1);
  const results: LatencyResult[] = [];
  for (const [index, batch] of batches.entries()) {
    throwIfCancelled(context.signal);
    context.report({ phase: 'latency', step: index, total: batches.length, item: `batch ${batch}` });
    const sizes = { batch, promptTokens, room: promptTokens + steps + 1 };
    const prefillMs = await withProgram(model, engine, { ...sizes, length: promptTokens }, async (session) => {
      await session.step(0, context.signal);
      return median(await timeEach(prefillRuns, clock, () => session.step(0, context.signal)));
    });
    const decodeStepMs = await withProgram(model, engine, { ...sizes, length: 1 }, async (session) => {
      await session.step(promptTokens, context.signal);
      let position = promptTokens;
      return median(await timeEach(steps, clock, () => session.step(++position, context.signal)));
    });
    results.push({ batch, promptTokens, prefillMs, decodeStepMs, decodeTokensPerSecond: (batch * 1000) / decodeStepMs });
  }
  context.report({ phase: 'latency', step: batches.length, total: batches.length });
  return results;
}

interface SessionSizes {
  readonly batch: number;
  /** T of each step. */
  readonly length: number;
  /** S */
  readonly room: number;
}

interface DecodeSession {
  /** Runs one step whose first token has this position. */
  step(position: number, signal: AbortSignal): Promise<void>;
}

async function withProgram<T>(
  model: Model,
  engine: Engine,
  { batch, length, room }: SessionSizes,
  use: (session: DecodeSession) => Promise<T>,
): Promise<T> {
  const graph = buildDecodeGraph(model, { batch, length, room });
  const held: DeviceBuffer[] = [];
  let program: Program | undefined;
  try {
    program = await engine.compile(graph, { name: `latency ${batch}x${length}`, frozen: new Map(modelInputs(model)) });
    const caches: Record<string, DeviceBuffer> = {};
    const outputs: Record<string, DeviceBuffer> = {};
    for (const { input, output, shape } of cacheTensors(model, batch, room)) {
      const buffer = engine.allocate({ dtype: 'float32', shape });
      held.push(buffer);
      caches[input] = buffer;
      outputs[output] = buffer;
    }
    const logits = engine.allocate({ dtype: 'float32', shape: [batch, model.config.vocabularySize] });
    held.push(logits);
    outputs[graphNames.logits] = logits;
    const compiled = program;
    return await use({
      step: async (position, signal) => {
        await compiled.run({ ...caches, ...stepInputs(model, batch, length, position) }, { outputs, signal });
      },
    });
  } finally {
    await program?.release();
    for (const buffer of held) buffer.release();
  }
}

function stepInputs(model: Model, batch: number, length: number, position: number): Record<string, HostTensor> {
  const cells = Array.from({ length: batch * length }, (_, cell) => cell);
  return {
    [graphNames.tokens]: int64(
      [batch, length],
      cells.map((cell) => cell % model.config.vocabularySize),
    ),
    [graphNames.positions]: int64(
      [batch, length],
      cells.map((cell) => position + (cell % length)),
    ),
    [graphNames.lastIndex]: int32([batch], new Int32Array(batch).fill(position + length - 1)),
    [graphNames.totalLength]: int32([1], [position + length]),
  };
}

async function timeEach(runs: number, clock: Clock, run: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < Math.max(1, runs); index++) {
    const start = clock.monotonicMs();
    await run();
    times.push(clock.monotonicMs() - start);
    await yieldToEventLoop();
  }
  return times;
}

/** The middle value; the mean of the two middle ones of an even number. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
}
