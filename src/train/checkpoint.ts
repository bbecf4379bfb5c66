// What a training run needs to go on exactly where it was.
import type { HostTensor } from '#tensor';
import type { SamplerCursor } from '#text';

/** Everything that changes from step to step that is not a tensor; plain JSON. */
export interface TrainingProgress {
  /** Steps done. */
  readonly step: number;
  readonly cursor: SamplerCursor;
  /** Exponential mean of the loss that is shown. */
  readonly shownLoss: number | null;
  /** Losses of the newest steps, whose mean is the final loss. */
  readonly recentLosses: readonly number[];
  /** Tokens of all steps, padding included; absent in checkpoints of older versions. */
  readonly tokensSeen?: number;
  /** What the scheme remembers (`TrainingScheme.save`). */
  readonly scheme?: unknown;
}

export interface Checkpoint {
  readonly progress: TrainingProgress;
  /** Trained tensors by stored name, and optimizer state as `slot:name`. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** Where checkpoints are kept; the newest complete one is loaded. Writing is atomic. */
export interface CheckpointKeeper {
  save(checkpoint: Checkpoint): Promise<void>;
  load(): Promise<Checkpoint | undefined>;
}
