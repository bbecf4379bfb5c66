// Whether a result is what it should be when a fresh process loads it: compared before it gets its name.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { type Model, parameterCounts } from '#models';
import type { Verification } from '../results.ts';
import { FreshProcess, verificationFailed } from './fresh-process.ts';
import { probeAnswer, probeTokens } from './probe.ts';

/**
 * Largest difference of a row's logits, relative to its largest logit.
 *
 * Both sides run the same graph over the same bytes with the same runtime, so that they are equal or differ by the order of float32 sums, which
 * the number of threads and the kind of device decide: √K·2⁻²⁴ ≈ 3e-6 for sums of K = 3072, a few times that through all layers. A wrong scale, order or
 * type shows in the first digits. 1e-4 lies between by more than a factor of ten on both sides.
 */
const verificationTolerance = 1e-4;

export interface ResultCheckOptions {
  /** Beside what the size of the model asks for. Default 120 s. */
  readonly timeoutMs?: number;
  /** The program that the fresh process runs; a test gives one that fails. */
  readonly entry?: string;
}

/** Bytes of weights that a slow disk reads and a slow machine hashes in a second. */
const slowBytesPerSecond = 10e6;

/** Loads results back in fresh processes. */
export class ResultCheck {
  readonly #engine: Engine;
  readonly #timeoutMs: number;
  readonly #entry: string | undefined;

  constructor(engine: Engine, { timeoutMs = 120_000, entry }: ResultCheckOptions = {}) {
    this.#engine = engine;
    this.#timeoutMs = timeoutMs;
    this.#entry = entry;
  }

  /** Starts the process for one result while its files are still being written. `end` it whatever happens. */
  begin(model: Model): PendingCheck {
    return new PendingCheck(this.#engine, model, this.#timeoutMs, new FreshProcess(this.#entry));
  }
}

/** The check of one result. */
export class PendingCheck {
  readonly #engine: Engine;
  readonly #model: Model;
  readonly #timeoutMs: number;
  readonly #process: FreshProcess;

  constructor(engine: Engine, model: Model, timeoutMs: number, process: FreshProcess) {
    this.#engine = engine;
    this.#model = model;
    this.#timeoutMs = timeoutMs;
    this.#process = process;
  }

  /** For tests that kill it. */
  get processId(): number | undefined {
    return this.#process.processId;
  }

  /**
   * Compares the model in this process with its files in the fresh one.
   *
   * @throws AppError `verification_failed` when the files do not load or give other logits, `bad_weights` for logits that are not numbers, `cancelled`
   */
  async compare(folder: string, hash: string, context: Pick<OperationContext, 'signal' | 'report'>): Promise<Verification> {
    const startedMs = performance.now();
    context.report({ phase: 'verify', step: 0, total: 1 });
    const { numbers: wanted, width } = await probeAnswer(this.#engine, this.#model, context);
    const bad = wanted.findIndex((logit) => Number.isNaN(logit));
    if (bad >= 0)
      throw new AppError('bad_weights', `the result answers with logit ${bad} that is not a number. Nothing was stored under the name.`);
    const { storedBytes } = parameterCounts(this.#model);
    const timeoutMs = this.#timeoutMs + (1000 * storedBytes) / slowBytesPerSecond;
    const found = await this.#process.logits({ folder, hash, device: this.#engine.device }, timeoutMs, context.signal);
    const tokens = probeTokens(this.#model.config).data.length;
    const maxRelativeDifference = largestDifference(wanted, found, width);
    if (!(maxRelativeDifference <= verificationTolerance))
      throw verificationFailed(
        `its logits differ by ${maxRelativeDifference.toExponential(2)} of the largest, more than ${verificationTolerance.toExponential(0)}`,
      );
    context.report({ phase: 'verify', step: 1, total: 1, metrics: { maxRelativeDifference } });
    return { tokens, maxRelativeDifference, tolerance: verificationTolerance, elapsedMs: performance.now() - startedMs };
  }

  /** Safe to call twice. */
  end(): void {
    this.#process.end();
  }
}

/** Over rows of `width` numbers: the largest difference relative to the row's largest number. Infinite where one side is no number. */
export function largestDifference(wanted: Float32Array, found: Float32Array, width: number): number {
  if (wanted.length !== found.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let start = 0; start < wanted.length; start += width) {
    let largest = 0;
    let difference = 0;
    for (let index = start; index < start + width; index++) {
      const [left = 0, right = 0] = [wanted[index], found[index]];
      if (Object.is(left, right)) {
        // Logits that a model forbids are infinite on both sides.
        if (Number.isFinite(left)) largest = Math.max(largest, Math.abs(left));
        continue;
      }
      if (!Number.isFinite(left - right)) return Number.POSITIVE_INFINITY;
      largest = Math.max(largest, Math.abs(left));
      difference = Math.max(difference, Math.abs(left - right));
    }
    if (difference > 0) worst = Math.max(worst, largest === 0 ? Number.POSITIVE_INFINITY : difference / largest);
  }
  return worst;
}
