// When a training has learnt all that carries over to text it does not train on: measurements, the best one, and the end.
import type { HostTensor } from '#tensor';
import type { TrainingBatch } from './batch-source.ts';
import type { Objective } from './objective.ts';

export interface EarlyStoppingOptions {
  /** Of one measurement, the same each time. */
  readonly batches: () => readonly TrainingBatch[];
  /** What is measured, where it is not what is learnt: batches of a teacher elsewhere come with its answers, and these do not. */
  readonly objective?: Objective | undefined;
  /** Steps between measurements. */
  readonly evaluateEvery: number;
  /** Measurements in a row that may be no better than the best; after them the training ends. */
  readonly patience: number;
  /** Steps before which nothing is measured. @default 0 */
  readonly from?: number;
}

/** Plain JSON, for checkpoints. */
export interface EarlyStoppingState {
  /** Step of the newest measurement. */
  readonly measuredAt: number;
  readonly best: { readonly step: number; readonly loss: number } | null;
  /** Measurements since the best. */
  readonly misses: number;
}

/** In front of the names of the best weights in a checkpoint. */
const bestPrefix = 'best:';

/** A state machine of measurements; it holds the weights of the best one. */
export class EarlyStopping {
  readonly options: EarlyStoppingOptions;
  #state: EarlyStoppingState = { measuredAt: -1, best: null, misses: 0 };
  #bestTensors: ReadonlyMap<string, HostTensor> = new Map();

  constructor(options: EarlyStoppingOptions) {
    this.options = options;
  }

  get state(): EarlyStoppingState {
    return this.#state;
  }

  /** The trained tensors as they were at the best measurement; empty before the first. */
  get bestTensors(): ReadonlyMap<string, HostTensor> {
    return this.#bestTensors;
  }

  /** Whether the training should end. */
  get isOver(): boolean {
    return this.#state.best !== null && this.#state.misses >= this.options.patience;
  }

  /** Whether a measurement belongs here that was not made yet. */
  isDue(step: number, lastStep: number): boolean {
    const { from = 0, evaluateEvery } = this.options;
    return step > from && step > this.#state.measuredAt && ((step - from) % evaluateEvery === 0 || step === lastStep);
  }

  /** @param tensors - reads the trained tensors, if they are wanted */
  measured(step: number, loss: number, tensors: () => ReadonlyMap<string, HostTensor>): void {
    const { best, misses } = this.#state;
    if (best !== null && !(loss < best.loss)) {
      this.#state = { measuredAt: step, best, misses: misses + 1 };
      return;
    }
    this.#state = { measuredAt: step, best: { step, loss }, misses: 0 };
    this.#bestTensors = tensors();
  }

  /** What a checkpoint keeps beside the trainer's tensors. */
  saved(): ReadonlyMap<string, HostTensor> {
    return new Map([...this.#bestTensors].map(([name, tensor]) => [bestPrefix + name, tensor]));
  }

  /** @returns the tensors of the checkpoint that are the trainer's */
  restore(state: EarlyStoppingState, tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
    this.#state = state;
    const isBest = (name: string): boolean => name.startsWith(bestPrefix);
    const all = [...tensors];
    this.#bestTensors = new Map(all.filter(([name]) => isBest(name)).map(([name, tensor]) => [name.slice(bestPrefix.length), tensor]));
    return new Map(all.filter(([name]) => !isBest(name)));
  }
}
