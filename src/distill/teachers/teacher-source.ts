// Where a teacher's answers come from while a student trains, and the batches that carry them.
import type { BatchMoment, BatchSource, TrainingBatch } from '#train';
import { answerInputs } from './answer-objective.ts';
import type { AnswerForm, TeacherAnswers } from './answers.ts';

/** A teacher that is asked batch by batch. */
export interface TeacherSource {
  readonly form: AnswerForm;
  /**
   * The distributions over the rows that the task asks of a batch: next tokens [B*T], labels of texts [B], or hidden tokens [M]. Rows that do not
   * count may be anything.
   *
   * @throws AppError `cancelled`, and those of the source; training then stops with its last checkpoint kept
   */
  answers(batch: TrainingBatch, signal: AbortSignal): Promise<TeacherAnswers>;
}

/** A batch on its way, and where its source stood before it. */
interface Ahead {
  readonly cursor: BatchSource['cursor'];
  readonly batch: Promise<TrainingBatch>;
}

/**
 * The batches of `inner`, each with the teacher's answers.
 *
 * The next batch is asked for while the one before it trains, so that a teacher elsewhere computes beside the student. The cursor stands before it
 * until it is handed out: a run that goes on asks again.
 */
export class TaughtBatches implements BatchSource {
  readonly #inner: BatchSource;
  readonly #teacher: TeacherSource;
  readonly #ends = new AbortController();
  #ahead: Ahead | undefined;

  constructor(inner: BatchSource, teacher: TeacherSource) {
    this.#inner = inner;
    this.#teacher = teacher;
  }

  get cursor(): BatchSource['cursor'] {
    return this.#ahead?.cursor ?? this.#inner.cursor;
  }

  async next(moment: BatchMoment): Promise<TrainingBatch> {
    const ready = this.#ahead ?? this.#ask(moment);
    this.#ahead = undefined;
    const cancel = (): void => this.#ends.abort();
    moment.signal.addEventListener('abort', cancel, { once: true });
    try {
      if (moment.signal.aborted) cancel();
      const batch = await ready.batch;
      if (!moment.isLast) this.#ahead = this.#ask(moment);
      return batch;
    } finally {
      moment.signal.removeEventListener('abort', cancel);
    }
  }

  /** Ends what was asked for and is not wanted any more. */
  end(): void {
    this.#ends.abort();
  }

  #ask(moment: BatchMoment): Ahead {
    const { cursor } = this.#inner;
    const made = async (): Promise<TrainingBatch> => {
      const batch = await this.#inner.next(moment);
      return { ...batch, ...answerInputs(await this.#teacher.answers(batch, this.#ends.signal)) };
    };
    const batch = made();
    // Whoever waits for it hears of a failure; nobody may.
    batch.catch(() => {});
    return { cursor, batch };
  }
}
