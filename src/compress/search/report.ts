// What a search tried and found, as plain JSON.
import type { Measures } from '../measures.ts';

/** One recipe that was tried. */
export interface SearchTrial {
  /** Of the candidates that differ in their size alone. */
  readonly family: string;
  /** Place among its sizes, from the largest model to the smallest. */
  readonly level: number;
  /** Whether it was distilled. */
  readonly trained: boolean;
  /** For people; unique in a search. */
  readonly name: string;
  /** What can be put into a recipe as it is. */
  readonly steps: readonly unknown[];
  /** `storedBytes`, the figures of the held-out data, and `latencyMs` where the target has it; empty where it failed. */
  readonly measures: Measures;
  /** It is within the target. */
  readonly meets: boolean;
  readonly elapsedMs: number;
  /** Why it could not be made. */
  readonly failure?: string;
}

export interface SearchReport {
  /** In the order in which they were made. */
  readonly trials: readonly (SearchTrial & { readonly isOnFront: boolean })[];
  /** Index of the trial that is the result; absent where the model was within the target already. */
  readonly chosen?: number;
  /** `trials`, `minutes`, or `exhausted` where nothing was left to try. */
  readonly ended: SearchEnd;
}

export type SearchEnd = 'trials' | 'minutes' | 'exhausted';
