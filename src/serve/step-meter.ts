// What steps compute: how many sequences run together, and how much of the work is padding.
import { attributes, type Labels, type Meter, metrics, silentTelemetry } from '#base';

export class StepMeter {
  readonly #batchSize: (sequences: number, labels: Labels) => void;
  readonly #tokens: (tokens: number, labels: Labels) => void;

  constructor(meter: Meter = silentTelemetry.meter) {
    this.#batchSize = meter.histogram(metrics.batchSize);
    this.#tokens = meter.counter(metrics.computedTokens);
  }

  /**
   * A run of a program.
   *
   * @param lengths - tokens of each sequence that takes part
   * @param computedTokens - places that the program computed, B·T
   */
  ran(lengths: readonly number[], computedTokens: number): void {
    const kind = { [attributes.stepKind]: lengths.some((length) => length > 1) ? 'prompt' : 'decode' };
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    this.#batchSize(lengths.length, kind);
    this.#tokens(tokens, { ...kind, [attributes.computed]: 'token' });
    // Zero too: a series that exists can be asked for.
    this.#tokens(computedTokens - tokens, { ...kind, [attributes.computed]: 'padding' });
  }
}
