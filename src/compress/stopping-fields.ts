// How a step is told to end its training when held-out data says so.
import { z } from 'zod';

/** What a method says of it. */
export interface StoppingSettings {
  /** Measurements in a row that may be no better than the best; 0 measures nothing and holds nothing out. */
  readonly patience: number;
  /** Steps between two measurements. */
  readonly evaluateEvery: number;
  /** Share of the data that is held out, where the job has no validation data. */
  readonly heldOut: number;
  /** Steps before which nothing is measured. @default 0 */
  readonly from?: number;
}

/** Fields of a step's settings. */
export const stoppingFields = {
  patience: z.int().min(0).default(0),
  evaluateEvery: z.int().min(1).default(50),
  heldOut: z.number().gt(0).lt(1).default(0.1),
};
