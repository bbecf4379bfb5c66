// Figures of the stages of a recipe: each model is measured once, in this attempt or in an earlier one.
import type { OperationContext } from '#base';
import type { Model } from '#models';
import type { HeldOut, Measures, RecordMemory } from './measures.ts';

export class StageLog {
  readonly #heldOut: HeldOut;
  readonly #records: RecordMemory | undefined;
  readonly #context: OperationContext;
  readonly #ofModel = new WeakMap<Model, Measures>();
  readonly #ofStage = new Map<number, Measures>();

  constructor(heldOut: HeldOut, records: RecordMemory | undefined, context: OperationContext) {
    this.#heldOut = heldOut;
    this.#records = records;
    this.#context = context;
  }

  /**
   * @param stage - steps that made the model: 0 for the one that the recipe started from
   * @throws AppError as measuring
   */
  async of(model: Model, stage: number): Promise<Measures> {
    const measures =
      this.#ofStage.get(stage) ?? this.#ofModel.get(model) ?? (await this.#recalled(stage)) ?? (await this.#measured(model, stage));
    this.#ofModel.set(model, measures);
    this.#ofStage.set(stage, measures);
    return measures;
  }

  /** What is known of a stage already. */
  known(stage: number): Measures | undefined {
    return this.#ofStage.get(stage);
  }

  async #recalled(stage: number): Promise<Measures | undefined> {
    return (await this.#records?.recall(`stage ${stage}`)) as Measures | undefined;
  }

  async #measured(model: Model, stage: number): Promise<Measures> {
    const place = stage === 0 ? 'the start' : `step ${stage}`;
    const measures = await this.#heldOut.measure(model, {
      signal: this.#context.signal,
      report: ({ step, total }) =>
        this.#context.report({
          phase: 'measure',
          item: `after ${place}`,
          ...(step === undefined ? {} : { step }),
          ...(total === undefined ? {} : { total }),
        }),
    });
    await this.#records?.remember(`stage ${stage}`, measures);
    this.#context.report({ phase: 'measure', item: stage === 0 ? 'before the first step' : `after ${place}`, metrics: measures });
    return measures;
  }
}
