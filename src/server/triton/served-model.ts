// What a model is to the Open Inference Protocol: tensors it takes and gives, and how it answers.
import type { Datatype } from './datatypes.ts';
import type { ParameterValue } from './parameters.ts';

export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /** Sizes of one row where the model has batches, of the whole tensor where it has none; -1 is any. */
  readonly dims: readonly number[];
  readonly optional?: boolean;
}

export interface InputTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Checked against type and shape. */
  readonly bytes: Uint8Array;
}

export interface OutputTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

/** A request whose tensors fit the model. */
export interface CheckedRequest {
  readonly inputs: ReadonlyMap<string, InputTensor>;
  /** Those of the request that are the model's own and not the protocol's. */
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  /** From 1, served first; undefined where the request names none. */
  readonly priority: number | undefined;
  /** Longest wait for a place, milliseconds. */
  readonly queueTimeoutMs: number | undefined;
  /** Rows; 1 where the model has no batches. */
  readonly batchSize: number;
}

/** One answer, or one piece of it. */
export interface Answer {
  readonly outputs: readonly OutputTensor[];
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  /** Rows of each run of the model; with the last piece only. */
  readonly runs?: readonly number[];
  /** What of the time was waiting for a place, where the model knows. */
  readonly queueMs?: number;
  /** Nothing follows it. */
  readonly isLast?: boolean;
  /** It is only the end: its outputs hold nothing new. */
  readonly isEmpty?: boolean;
}

export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  /** Most rows of one request; 0 where the first size is not that of a batch. */
  readonly maxBatchSize: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** What else is known of it, for its configuration. */
  readonly facts: Readonly<Record<string, string>>;
  /** Requests may name a priority and the longest wait. */
  readonly isQueued: boolean;
  /** The whole answer. */
  infer(request: CheckedRequest, signal: AbortSignal): Promise<Answer>;
  /** The answer piece by piece, for models that give one before they are through. */
  readonly stream?: (request: CheckedRequest, signal: AbortSignal) => AsyncIterable<Answer>;
}
