// Training whose model changes shape on the way: what trains from a checkpoint on, and until when.
import type { Model } from '#models';
import type { Checkpoint } from './checkpoint.ts';
import type { TrainingScheme } from './scheme.ts';
import type { TrainSettings } from './settings.ts';

/** What trains from a step on. */
export interface TrainingStage {
  readonly model: Model;
  readonly scheme?: TrainingScheme | undefined;
  /** Where it goes on, with tensors in the shapes of this model and scheme; undefined at the beginning. */
  readonly from?: Checkpoint | undefined;
  /** Its last step. */
  readonly until: number;
}

/**
 * Asked when training starts, with the newest checkpoint if there is one, and when a stage has ended before the last step.
 *
 * Invariant: the answer follows from `reached` alone, so that a run that goes on trains in the same stages as one that never stopped. Within a stage
 * `from` is `reached` itself. Where model and scheme are the very objects of the stage before, training goes on with the compiled graph.
 */
export type TrainingStages = (reached: Checkpoint | undefined, settings: TrainSettings) => TrainingStage | Promise<TrainingStage>;
