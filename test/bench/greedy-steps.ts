// Greedy steps of a model on caches of a benchmark's own: what the scheduler and the batcher add is not in what is timed.
import type { DeviceBuffer, Engine } from '#engine';
import { type CacheFormat, cacheTensors, graphNames, type Model } from '#models';
import { int32, int64 } from '#tensor';
import type { CacheBinding } from '../../src/serve/key-value-caches.ts';
import type { StepPrograms } from '../../src/serve/step-programs.ts';
import { TokenPicker } from '../../src/serve/token-picker.ts';

export class GreedySteps {
  readonly #engine: Engine;
  readonly #model: Model;
  readonly #programs: StepPrograms;
  readonly #format: CacheFormat;
  readonly #picker: TokenPicker;

  constructor(engine: Engine, model: Model, programs: StepPrograms, format: CacheFormat = 'float32') {
    this.#engine = engine;
    this.#model = model;
    this.#programs = programs;
    this.#format = format;
    this.#picker = new TokenPicker(engine, model.config.vocabularySize);
  }

  /** @param room - tokens a sequence */
  async withCache<T>(batch: number, room: number, use: (cache: CacheBinding) => Promise<T>): Promise<T> {
    const floats = this.#programs.cacheType;
    const buffers = cacheTensors(this.#model, batch, room, this.#format).map(({ input, output, dtype, shape }) => ({
      input,
      output,
      buffer: this.#engine.allocate({ dtype: dtype === 'float32' && floats !== undefined ? floats : dtype, shape }),
    }));
    const named = (side: 'input' | 'output'): Record<string, DeviceBuffer> =>
      Object.fromEntries(buffers.map((made) => [made[side], made.buffer]));
    try {
      return await use({ inputs: named('input'), outputs: named('output') });
    } finally {
      for (const { buffer } of buffers) buffer.release();
    }
  }

  /** Runs tokens [B*T] from one position on; the likeliest next token of each sequence. */
  async run(cache: CacheBinding, tokens: readonly number[], batch: number, start: number): Promise<number[]> {
    const T = tokens.length / batch;
    const rows = Array.from({ length: batch }, (_, row) => row * T + T - 1);
    const inputs = {
      [graphNames.tokens]: int64([batch, T], tokens),
      [graphNames.positions]: int64(
        [batch, T],
        tokens.map((_, cell) => start + (cell % T)),
      ),
      [graphNames.lastIndex]: int32([batch], new Int32Array(batch).fill(start + T - 1)),
      [graphNames.totalLength]: int32([1], [start + T]),
      [graphNames.logitRows]: int64([batch], rows),
    };
    const logits = await this.#programs.run(inputs, cache, undefined);
    // As a server takes them where nothing else is asked: an id crosses instead of the logits.
    const best = await this.#picker.pick(logits, undefined);
    logits.release();
    return best.map(({ id }) => id);
  }
}
