// How jobs of every kind say that they do not fit: what is needed and for what, what there is, and what would fit.
import { AppError } from '#base';

/** A change with which the work would fit. */
export interface Fit {
  /** For example `batchSize 4 with gradientAccumulation 2`. */
  readonly what: string;
  /** Needed then, where that was worked out. */
  readonly bytes?: number | undefined;
}

export interface MemoryNeed {
  /** The kind of job, or the step of a recipe. */
  readonly place: string;
  /** The part of the work that needs most, where there are several. */
  readonly phase?: string | undefined;
  /** At the peak, what is held already included. */
  readonly neededBytes: number;
  readonly residentBytes: number;
  readonly limitBytes: number;
  /** What the needed bytes are for, by name; the largest are said first. */
  readonly parts?: Readonly<Record<string, number>>;
  readonly fits?: readonly Fit[];
  /** Beside `neededBytes` and `limitBytes`. */
  readonly details?: Readonly<Record<string, number | string>>;
}

/** The error `insufficient_memory` of a job. */
export function insufficientMemory(need: MemoryNeed): AppError {
  const { place, phase, neededBytes, residentBytes, limitBytes, parts = {}, fits = [], details } = need;
  const named = Object.entries(parts)
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, bytes]) => `${name} ${printBytes(bytes)}`);
  const what = [
    `${place}: about ${printBytes(neededBytes)} are needed at the peak${phase === undefined ? '' : ` (${phase})`}`,
    `${printBytes(residentBytes)} of them held already`,
    `and ${printBytes(limitBytes)} is the limit`,
  ].join(', ');
  const remedies = fits.map(({ what: change, bytes }) => (bytes === undefined ? change : `${change} (about ${printBytes(bytes)})`));
  const remedy =
    remedies.length === 0
      ? `Unload other models, or give the server at least ${printBytes(neededBytes)}.`
      : `What would fit: ${remedies.join('; ')}.`;
  const message = [`${what}.`, ...(named.length === 0 ? [] : [`It takes ${named.join(', ')}.`]), remedy].join(' ');
  return new AppError('insufficient_memory', message, { details: { neededBytes, limitBytes, ...details } });
}

/** For messages. */
function printBytes(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
