// Draws from a mixture of student and teacher, token by token, so that what is drawn stays a text that the teacher knows.
import { at, type Random } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { Model } from '#models';
import { drawToken } from '#serve';
import type { HostTensor } from '#tensor';
import type { Continuing } from './on-policy.ts';
import { type DecoderSizes, PromptDecoder } from './prompt-decoder.ts';

export interface MixingTeacher {
  readonly model: Model;
  /** On the device by stored name; they stay the caller's. */
  readonly weights: Readonly<Record<string, DeviceBuffer>>;
  /** α: its share of the probability of each token, above 0 and below 1. */
  readonly share: number;
}

/**
 * Every token is drawn from α·teacher + (1-α)·student, both softened by the temperature of the draws.
 *
 * @see Gu et al., "MiniLLM", ICLR 2024, §2.2, eq. 4
 */
export class MixedSampler implements Continuing {
  readonly #student: PromptDecoder;
  readonly #teacher: PromptDecoder;
  readonly #mixing: MixingTeacher;
  readonly #sizes: DecoderSizes;

  /** @throws AppError `unsupported` for a model that does not continue text | `context_too_long` */
  constructor(engine: Engine, student: Model, mixing: MixingTeacher, sizes: DecoderSizes) {
    this.#student = new PromptDecoder(engine, student, sizes);
    this.#teacher = new PromptDecoder(engine, mixing.model, sizes);
    this.#mixing = mixing;
    this.#sizes = sizes;
  }

  /** As `StudentSampler`, at temperatures above 0. */
  async continue(
    weights: Readonly<Record<string, DeviceBuffer>>,
    prompts: HostTensor<'int64'>,
    temperature: number,
    random: Random,
    signal: AbortSignal,
  ): Promise<Int32Array> {
    const { batch: B, newTokens: N } = this.#sizes;
    const { share, weights: ofTeacher } = this.#mixing;
    const drawn = new Int32Array(B * N);
    const student = await this.#student.begin(weights, prompts, signal);
    try {
      const teacher = await this.#teacher.begin(ofTeacher, prompts, signal);
      try {
        for (let step = 0; ; step++) {
          const tokens = Array.from({ length: B }, (_, row) => {
            const [own, other] = [softened(student.logits(row), temperature), softened(teacher.logits(row), temperature)];
            const mixed = own.map((probability, id) => (1 - share) * probability + share * at(other, id));
            return drawToken({ weights: mixed, total: 1 }, random);
          });
          for (const [row, token] of tokens.entries()) drawn[row * N + step] = token;
          if (step === N - 1) return drawn;
          await student.advance({ tokens });
          await teacher.advance({ tokens });
        }
      } finally {
        teacher.end();
      }
    } finally {
      student.end();
    }
  }

  async release(): Promise<void> {
    await this.#student.release();
    await this.#teacher.release();
  }
}

/** Probabilities of logits [V]. */
function softened(logits: Float32Array, temperature: number): Float64Array {
  const largest = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (value) => Math.exp((value - largest) / temperature));
  const total = weights.reduce((sum, value) => sum + value, 0);
  return weights.map((value) => value / total);
}
