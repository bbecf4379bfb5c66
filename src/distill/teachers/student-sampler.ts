// Continuations by the student as it is now, with the weights that it trains where they lie on the device.
import { at, type Random } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { Model } from '#models';
import { drawToken, tokenDistribution } from '#serve';
import type { HostTensor } from '#tensor';
import { type DecoderSizes, PromptDecoder } from './prompt-decoder.ts';

/** Draws continuations of prompts of one length; all of them are as long as there is room for. */
export class StudentSampler {
  readonly #decoder: PromptDecoder;
  readonly #sizes: DecoderSizes;

  /** @throws AppError `unsupported` for a model that does not continue text | `context_too_long` */
  constructor(engine: Engine, model: Model, sizes: DecoderSizes) {
    this.#decoder = new PromptDecoder(engine, model, sizes);
    this.#sizes = sizes;
  }

  /**
   * @param prompts - [B, P]
   * @param temperature - 0 takes the likeliest token
   * @returns [B, newTokens], row by row; equal random states, weights and prompts give equal tokens
   * @throws AppError `cancelled`
   */
  async continue(
    weights: Readonly<Record<string, DeviceBuffer>>,
    prompts: HostTensor<'int64'>,
    temperature: number,
    random: Random,
    signal: AbortSignal,
  ): Promise<Int32Array> {
    const { batch: B, newTokens: N } = this.#sizes;
    const drawn = new Int32Array(B * N);
    let step = 0;
    await this.#decoder.decode(
      weights,
      prompts,
      (logits) => {
        const tokens = Array.from({ length: B }, (_, row) => drawnToken(logits(row), temperature, random));
        for (const [row, token] of tokens.entries()) drawn[row * N + step] = token;
        step++;
        return { tokens };
      },
      signal,
    );
    return drawn;
  }

  release(): Promise<void> {
    return this.#decoder.release();
  }
}

/** A token from logits [V]; at temperature 0 the likeliest, of equals the first. */
export function drawnToken(logits: Float32Array, temperature: number, random: Random): number {
  let top = 0;
  for (let id = 1; id < logits.length; id++) if (at(logits, id) > at(logits, top)) top = id;
  if (temperature === 0) return top;
  return drawToken(tokenDistribution(logits, at(logits, top), { temperature, topK: 0, topP: 1, minP: 0 }), random);
}
