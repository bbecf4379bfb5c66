// What an engine and its worker say to each other.

import type { DType } from '#tensor';
import type { Plan } from './plan.ts';
import type { CarriedTensor } from './tensor-bytes.ts';

/** Some elements of a cell, in their row-major order, as a tensor of another shape. */
export interface View {
  readonly first: number;
  readonly count: number;
  readonly shape: readonly number[];
}

/** A tensor that lies in the worker. */
export interface CellPlace {
  readonly cell: number;
  readonly view: View | undefined;
}

/** Where a result goes; the cell is made if it is new. */
export interface ResultPlace extends CellPlace {
  readonly dtype: DType;
  /** Of the whole cell. */
  readonly shape: readonly number[];
}

/** Carried out in order, except that runs wait for each other and what comes after them does not wait. */
export type Request =
  | { readonly kind: 'zeros'; readonly cell: number; readonly dtype: DType; readonly shape: readonly number[] }
  | { readonly kind: 'write'; readonly to: ResultPlace; readonly tensor: CarriedTensor }
  | { readonly kind: 'drop'; readonly cell: number }
  | { readonly kind: 'plan'; readonly plan: number; readonly steps: Plan }
  | { readonly kind: 'dropPlan'; readonly plan: number }
  | {
      readonly kind: 'run';
      readonly run: number;
      readonly plan: number;
      readonly inputs: readonly (CellPlace | CarriedTensor)[];
      readonly results: readonly ResultPlace[];
    }
  | { readonly kind: 'cancel'; readonly run: number }
  | { readonly kind: 'read'; readonly from: CellPlace }
  | { readonly kind: 'countTensors' }
  | { readonly kind: 'end' };

export interface Failure {
  readonly code: 'cancelled' | 'engine_failure' | 'out_of_memory';
  readonly message: string;
}

/** What the worker says by itself. */
export type Report =
  | { readonly kind: 'ready'; readonly version: string; readonly isGpu: boolean }
  | { readonly kind: 'unusable'; readonly message: string }
  | { readonly kind: 'done'; readonly run: number; readonly failure?: Failure };

/** Answers to `read` and `countTensors`, for which the engine waits. */
export type Answer =
  | { readonly kind: 'bytes'; readonly bytes: ArrayBuffer }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** Given to the worker when it starts. */
export interface WorkerStart {
  readonly bindingPath: string;
  /** A MessagePort for answers. */
  readonly answers: unknown;
  readonly signals: SharedArrayBuffer;
}

/** Places in `signals`, which is of int32: requests sent, answers given, and whether the worker has ended. */
export const signalIndex = { sent: 0, answered: 1, ended: 2 } as const;
export const numSignals = 3;
