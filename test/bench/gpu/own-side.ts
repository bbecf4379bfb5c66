// Our side of the GPU benchmark: training steps and decoding of one model, on an engine that others may use too.
import { quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { type Gpt2Config, initializeModel, type Model } from '#models';
import { int64 } from '#tensor';
import { crossEntropyObjective, type Precision, Trainer, trainSettings } from '#train';
import { type ComputeMode, compileForms } from '../../../src/serve/compute-forms.ts';
import type { StepPrograms } from '../../../src/serve/step-programs.ts';
import { GreedySteps } from '../greedy-steps.ts';

export class TrainingSide {
  readonly #trainer: Trainer;
  readonly #batch: { readonly tokens: ReturnType<typeof int64>; readonly labels: ReturnType<typeof int64> };

  private constructor(trainer: Trainer, batch: { tokens: ReturnType<typeof int64>; labels: ReturnType<typeof int64> }) {
    this.#trainer = trainer;
    this.#batch = batch;
  }

  static async create(engine: Engine, config: Gpt2Config, rows: number, length: number, precision: Precision): Promise<TrainingSide> {
    const settings = trainSettings({
      steps: 100_000,
      batchSize: rows,
      sequenceLength: length,
      learningRate: 1e-4,
      checkpointEvery: 0,
      precision,
    });
    const trainer = await Trainer.create(engine, initializeModel(config, new Random(0)), crossEntropyObjective(), settings);
    const random = new Random(2);
    const drawn = Array.from({ length: rows * length }, () => random.integer(config.vocabularySize));
    return new TrainingSide(trainer, { tokens: int64([rows, length], drawn), labels: int64([rows, length], [...drawn.slice(1), 0]) });
  }

  /** Seconds. */
  async step(): Promise<number> {
    const started = performance.now();
    await this.#trainer.run([this.#batch], quietContext.signal);
    return (performance.now() - started) / 1000;
  }

  stop(): Promise<void> {
    return this.#trainer.dispose();
  }
}

export class DecodingSide {
  readonly #vocabularySize: number;
  readonly #programs: StepPrograms;
  readonly #steps: GreedySteps;

  private constructor(engine: Engine, model: Model, programs: StepPrograms) {
    this.#vocabularySize = model.config.vocabularySize;
    this.#programs = programs;
    this.#steps = new GreedySteps(engine, model, programs);
  }

  static async create(engine: Engine, config: Gpt2Config, contextTokens: number, compute: ComputeMode): Promise<DecodingSide> {
    const model = initializeModel(config, new Random(1));
    return new DecodingSide(engine, model, await compileForms(engine, model, { name: 'decode', contextTokens, compute }));
  }

  /** Seconds of `steps` tokens a sequence behind prompts of `prompt` tokens, which are not counted. */
  async decode(batch: number, prompt: number, steps: number): Promise<number> {
    return await this.#steps.withCache(batch, prompt + steps + 1, async (cache) => {
      const tokens = Array.from({ length: batch * prompt }, (_, cell) => cell % this.#vocabularySize);
      let chosen = await this.#steps.run(cache, tokens, batch, 0);
      const started = performance.now();
      for (let index = 0; index < steps; index++) chosen = await this.#steps.run(cache, chosen, batch, prompt + index);
      return (performance.now() - started) / 1000;
    });
  }

  async stop(): Promise<void> {
    await this.#programs.release();
  }
}
