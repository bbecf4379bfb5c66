// Where training batches come from: windows of a corpus, padded texts, or pairs.
import type { HostTensor } from '#tensor';
import type { PairBatch, SamplerCursor } from '#text';

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
export type TrainingBatch = TextBatch | PairBatch;

/** Batches in an order that equal seeds repeat; a source made from a cursor continues exactly. */
export interface BatchSource {
  readonly cursor: SamplerCursor;
  next(): TrainingBatch;
}
