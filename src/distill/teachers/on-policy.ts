// On-policy distillation: in a share of the steps the student learns on continuations that it drew itself.
import { AppError, Random } from '#base';
import type { DeviceBuffer } from '#engine';
import { type Model, requireGenerating } from '#models';
import { type HostTensor, hostTensor } from '#tensor';
import type { BatchMoment, BatchSource, TrainingBatch } from '#train';
import { continuationBatch } from '../written-tokens.ts';

export interface OnPolicySettings {
  /** λ: share of the steps that learn on the student's own samples; the others on the data. */
  readonly share: number;
  /** Tokens that are drawn behind each prompt. */
  readonly maxNewTokens: number;
  /** Of the draws; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Tokens of the data that a sample begins with. */
  readonly promptTokens: number;
}

/** Those of the paper's implementation, where windows are long enough for them. */
export const defaultOnPolicy: OnPolicySettings = { share: 0.5, maxNewTokens: 64, temperature: 0.9, promptTokens: 32 };

/** Fills in defaults and checks ranges. @throws AppError `invalid_argument` naming the setting | `unsupported` | `context_too_long` */
export function onPolicySettings(
  given: Partial<OnPolicySettings>,
  { config }: Pick<Model, 'config'>,
  sequenceLength: number,
): OnPolicySettings {
  requireGenerating({ config });
  const settings = { ...defaultOnPolicy, ...given };
  const require = (holds: boolean, name: keyof OnPolicySettings, rule: string): void => {
    if (!holds)
      throw new AppError('invalid_argument', `onPolicy.${name}: must be ${rule}, got ${settings[name]}.`, {
        details: { field: `onPolicy.${name}` },
      });
  };
  const { share, maxNewTokens, temperature, promptTokens } = settings;
  require(share >= 0 && share <= 1, 'share', 'between 0 and 1');
  require(Number.isFinite(temperature) && temperature >= 0, 'temperature', 'at least 0');
  require(Number.isInteger(maxNewTokens) && maxNewTokens >= 1, 'maxNewTokens', 'a whole number of at least 1');
  require(Number.isInteger(promptTokens) &&
    promptTokens >= 1 &&
    promptTokens <= sequenceLength, 'promptTokens', `a whole number from 1 to the ${sequenceLength} tokens of a sequence`);
  if (promptTokens + maxNewTokens > config.maxPositions)
    throw new AppError(
      'context_too_long',
      `onPolicy: prompts of ${promptTokens} and samples of ${maxNewTokens} tokens are more than the ${config.maxPositions} positions of the model. Ask for fewer.`,
      { details: { field: 'onPolicy.maxNewTokens', positions: config.maxPositions } },
    );
  return settings;
}

/** A stream of its own for the draws, beside those of data order and dropout. */
const drawStream = 0x6b64;

/** Whether a step learns on the student's own samples: a function of the seed and the step alone, so that a run that goes on decides the same. */
export function isOwnStep(seed: number, step: number, share: number): boolean {
  return randomOf(seed, step, 0).uniform() < share;
}

/** Of one micro-batch, from 1; 0 decides the step. */
function randomOf(seed: number, step: number, place: number): Random {
  return new Random(mixed(mixed(mixed(seed ^ drawStream) ^ step) ^ place));
}

/** Neighbouring numbers become unlike ones: the last step of MurmurHash3. */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** Draws continuations with the weights as they are now; see `StudentSampler`. */
export interface Continuing {
  continue(
    weights: Readonly<Record<string, DeviceBuffer>>,
    prompts: HostTensor<'int64'>,
    temperature: number,
    random: Random,
    signal: AbortSignal,
  ): Promise<Int32Array>;
}

/** The batches of `inner`; in the steps that are the student's own, what it makes of their beginnings. The cursor is that of `inner`. */
export class OnPolicyBatches implements BatchSource {
  readonly #inner: BatchSource;
  readonly #sampler: Continuing;
  readonly #settings: OnPolicySettings;
  readonly #seed: number;
  readonly #ends: ReadonlySet<number>;

  constructor(inner: BatchSource, sampler: Continuing, settings: OnPolicySettings, seed: number, endTokens: readonly number[]) {
    this.#inner = inner;
    this.#sampler = sampler;
    this.#settings = settings;
    this.#seed = seed;
    this.#ends = new Set(endTokens);
  }

  get cursor(): BatchSource['cursor'] {
    return this.#inner.cursor;
  }

  async next(moment: BatchMoment): Promise<TrainingBatch> {
    const batch = await this.#inner.next(moment);
    const { share, temperature, promptTokens } = this.#settings;
    if ('source' in batch || !isOwnStep(this.#seed, moment.step, share)) return batch;
    const prompts = firstColumns(batch.tokens, promptTokens);
    const random = randomOf(this.#seed, moment.step, 1 + moment.microBatch);
    const drawn = await this.#sampler.continue(moment.parameters, prompts, temperature, random, moment.signal);
    return this.#withSamples(prompts, drawn);
  }

  /** Prompts and samples as a batch of next tokens; what comes after an end token does not count. */
  #withSamples(prompts: HostTensor<'int64'>, drawn: Int32Array): TrainingBatch {
    const [B = 0, P = 0] = prompts.shape;
    const N = drawn.length / B;
    const rows = Array.from({ length: B }, (_, row) => {
      const whole = drawn.subarray(row * N, (row + 1) * N);
      const end = whole.findIndex((token) => this.#ends.has(token));
      const prompt = Array.from(prompts.data.subarray(row * P, (row + 1) * P), Number);
      return { prompt, written: end < 0 ? whole : whole.subarray(0, end + 1) };
    });
    return continuationBatch(rows, P + N - 1);
  }
}

/** [B, T] -> [B, count] */
function firstColumns(tokens: HostTensor<'int64'>, count: number): HostTensor<'int64'> {
  const [B = 0, T = 0] = tokens.shape;
  const cut = hostTensor('int64', [B, count]);
  for (let row = 0; row < B; row++) cut.data.set(tokens.data.subarray(row * T, row * T + count), row * count);
  return cut;
}
