// Where training batches come from: windows of a corpus, padded texts, or pairs.
import type { DeviceBuffer } from '#engine';
import type { HostTensor } from '#tensor';
import type { PairBatch, SampledExamples, SamplerCursor } from '#text';

/** One micro-batch of texts. */
export interface TextBatch {
  /** [B, T]; T may change from batch to batch. */
  readonly tokens: HostTensor<'int64'>;
  /** As the objective wants them: [B, T], one a text [B], or one a hidden token [M]. */
  readonly labels: HostTensor<'int64'>;
  /** [B, T], true for real tokens; for encoders. */
  readonly mask?: HostTensor<'bool'>;
  /** [B, T]; for encoders that tell the texts of a pair apart. */
  readonly tokenTypes?: HostTensor<'int64'>;
  /** [M], places in [B*T] that the labels belong to. */
  readonly rows?: HostTensor<'int64'>;
  /** [M], 0 for labels that only fill up. */
  readonly weights?: HostTensor<'float32'>;
}

/** One micro-batch, of pairs for an encoder-decoder. Objectives and networks read what they made inputs for; the rest is left out. */
export type TrainingBatch = (TextBatch | PairBatch) & Partial<SampledExamples>;

/** Where a training run stands when it asks for a batch. */
export interface BatchMoment {
  /** The step that it is for; counts from 1. */
  readonly step: number;
  /** Place among the micro-batches of the step, from 0. */
  readonly microBatch: number;
  /** No other batch is asked for after it. */
  readonly isLast: boolean;
  /** The student's parameters on the device as they are before the step, by stored name; only to be read, and only until the batch is handed over. */
  readonly parameters: Readonly<Record<string, DeviceBuffer>>;
  readonly signal: AbortSignal;
}

/** Batches in an order that equal seeds repeat; a source made from a cursor continues exactly. */
export interface BatchSource {
  /** Where the next batch begins. */
  readonly cursor: SamplerCursor;
  /**
   * The tensors of a batch are bound to the inputs of the objective's graph by their names, those of a richer batch too.
   *
   * A source may compute it; what is thrown ends the run. After `cancelled` and `teacher_unavailable` its state is kept.
   */
  next(moment: BatchMoment): TrainingBatch | Promise<TrainingBatch>;
}

/** Batches of stored data, which are there at once whatever the moment. */
export interface StoredBatches extends BatchSource {
  next(): TrainingBatch;
}

/** What a batch binds to inputs. */
export function tensorsOf(batch: TrainingBatch): Record<string, HostTensor> {
  const { examples: _, ...tensors } = batch;
  return { ...tensors };
}
