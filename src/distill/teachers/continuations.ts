// Training on what a teacher wrote behind beginnings of texts: batches in a seeded order, and the loss over the written tokens.
import { at } from '#base';
import { type SamplerCursor, SeededOrder } from '#text';
import { type BatchSource, crossEntropyObjective, type Objective, type TrainingBatch } from '#train';
import { type Continuation, continuationBatch, overWrittenTokens } from '../written-tokens.ts';

/** All of them once an epoch, in a new random order each time. Equal seeds give equal batches; one made from a cursor goes on bit for bit. */
export class ContinuationBatches implements BatchSource {
  readonly #continuations: readonly Continuation[];
  readonly #batch: number;
  readonly #length: number;
  readonly #order: SeededOrder;

  /** @throws AppError `resume_mismatch` for a cursor of other continuations */
  constructor(
    continuations: readonly Continuation[],
    { batch, seed }: { readonly batch: number; readonly seed: number },
    cursor: SamplerCursor | undefined,
  ) {
    this.#continuations = continuations;
    this.#batch = batch;
    // One length, so that there is one program.
    this.#length = Math.max(...continuations.map(({ prompt, written }) => prompt.length + written.length - 1));
    this.#order = new SeededOrder(continuations.length, 'continuations', seed, cursor);
  }

  get cursor(): SamplerCursor {
    return this.#order.cursor;
  }

  next(): TrainingBatch {
    const rows = Array.from({ length: this.#batch }, () => at(this.#continuations, this.#order.next()));
    return continuationBatch(rows, this.#length);
  }
}

/** Mean negative log-likelihood of the written tokens, in nats. */
export function continuationObjective(): Objective {
  const plain = crossEntropyObjective();
  return { ...plain, build: (context) => plain.build(overWrittenTokens(context)) };
}
