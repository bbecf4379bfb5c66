// Continuations by the student as it is now, with the weights that it trains where they lie on the device.
import { at, chosen, invariant, type Random } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { optimizeGraph } from '#graph';
import { buildDecodeGraph, cacheTensors, declarations, graphNames, type Model, type ModelDeclaration, requireGenerating } from '#models';
import { drawToken, tokenDistribution } from '#serve';
import { type HostTensor, int32, int64 } from '#tensor';

export interface SamplerSizes {
  /** B: prompts side by side. */
  readonly batch: number;
  /** Tokens of every prompt. */
  readonly promptTokens: number;
  /** Tokens that are drawn behind each. */
  readonly newTokens: number;
}

/**
 * Draws continuations of prompts of one length, step by step with a cache of keys and values.
 *
 * It reads the weights from the buffers that it is given at each call: those of a trainer hold what its last step left there. The cache holds
 * nothing from one call to the next, since keys and values of other weights would be wrong.
 */
export class StudentSampler {
  readonly #engine: Engine;
  readonly #model: ModelDeclaration;
  readonly #sizes: SamplerSizes;
  #programs: Promise<readonly [Program, Program]> | undefined;

  /** @throws AppError `unsupported` for a model that does not continue text | `context_too_long` */
  constructor(engine: Engine, model: Model, sizes: SamplerSizes) {
    requireGenerating(model);
    this.#engine = engine;
    this.#model = declarations(model);
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
    const { batch: B, promptTokens: P, newTokens: N } = this.#sizes;
    invariant(prompts.shape.join() === [B, P].join(), 'prompts have the sizes of their sampler');
    this.#programs ??= this.#compile();
    const [prefill, decode] = await this.#programs;
    const caches = cacheTensors(this.#model, B, P + N);
    const buffers = caches.map(({ shape }) => this.#engine.allocate({ dtype: 'float32', shape }));
    const inputs = Object.fromEntries(caches.map(({ input }, index) => [input, at(buffers, index)]));
    const outputs = Object.fromEntries(caches.map(({ output }, index) => [output, at(buffers, index)]));
    const drawn = new Int32Array(B * N);
    try {
      for (let step = 0; step < N; step++) {
        const [program, T, start] = step === 0 ? [prefill, P, 0] : [decode, 1, P + step - 1];
        const tokens =
          step === 0
            ? prompts
            : int64(
                [B, 1],
                Array.from({ length: B }, (_, row) => at(drawn, row * N + step - 1)),
              );
        const available: Record<string, DeviceBuffer | HostTensor> = {
          ...weights,
          ...inputs,
          [graphNames.tokens]: tokens,
          [graphNames.positions]: int64(
            [B, T],
            Array.from({ length: B * T }, (_, index) => start + (index % T)),
          ),
          [graphNames.lastIndex]: int32([B], new Array<number>(B).fill(start + T - 1)),
          [graphNames.totalLength]: int32([1], [start + T]),
        };
        const results = await program.run(chosen(available, program.inputNames), { signal, outputs });
        const logits = results[graphNames.logits];
        invariant(logits !== undefined, 'a step makes logits');
        const { data } = logits.read();
        logits.release();
        invariant(data instanceof Float32Array, 'logits are float32');
        const V = data.length / B;
        for (let row = 0; row < B; row++) drawn[row * N + step] = draw(data.subarray(row * V, (row + 1) * V), temperature, random);
      }
      return drawn;
    } finally {
      for (const buffer of buffers) buffer.release();
    }
  }

  async release(): Promise<void> {
    const programs = await this.#programs?.catch(() => []);
    for (const program of programs ?? []) await program.release();
  }

  /** The prompts at once, and one token a row. */
  async #compile(): Promise<readonly [Program, Program]> {
    const { batch, promptTokens, newTokens } = this.#sizes;
    const room = promptTokens + newTokens;
    const compile = (length: number, name: string): Promise<Program> =>
      this.#engine.compile(optimizeGraph(buildDecodeGraph(this.#model, { batch, length, room })), { name });
    const prefill = await compile(promptTokens, 'student prompts');
    return [prefill, await compile(1, 'student tokens')];
  }
}

function draw(logits: Float32Array, temperature: number, random: Random): number {
  let top = 0;
  for (let id = 1; id < logits.length; id++) if (at(logits, id) > at(logits, top)) top = id;
  if (temperature === 0) return top;
  return drawToken(tokenDistribution(logits, at(logits, top), { temperature, topK: 0, topP: 1, minP: 0 }), random);
}
