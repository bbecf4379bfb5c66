// The one error class: a catalogue code, a place, the values and the way out.
import type { ErrorCode } from './error-catalogue.ts';

export interface AppErrorOptions {
  /** Machine-readable values behind the message, sent as ErrorInfo metadata. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
  readonly cause?: unknown;
}

/**
 * An error that a caller can act on.
 *
 * The message reads `[code] place: what is wrong, with values. What to do.` Wrong input from outside throws this;
 * a broken promise of our own code calls `invariant` instead.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(`[${code}] ${shortened(message)}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = Object.fromEntries(
      Object.entries(options.details ?? {}).map(([key, value]) => [key, typeof value === 'string' ? shortened(value) : value]),
    );
  }

  /** Turns anything caught into an AppError: itself, an abort, an operating-system error, or `internal`. */
  static from(thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    if (thrown instanceof Error) {
      if (thrown.name === 'AbortError') return new AppError('cancelled', 'the operation was cancelled.', { cause: thrown });
      const systemCode = (thrown as NodeJS.ErrnoException).code;
      const mapped = systemCode === undefined ? undefined : systemErrors[systemCode];
      if (mapped !== undefined) return new AppError(mapped, `${thrown.message}.`, { cause: thrown });
      return new AppError('internal', thrown.message, { cause: thrown });
    }
    return new AppError('internal', String(thrown));
  }
}

/** Messages quote what came from outside, however long it is; the way out stands at the end. */
const mostCharacters = 2000;
const keptAtTheEnd = 500;

function shortened(text: string): string {
  if (text.length <= mostCharacters) return text;
  return `${text.slice(0, mostCharacters - keptAtTheEnd)} … ${text.slice(-keptAtTheEnd)}`;
}

const systemErrors: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'file_not_found',
  ENOTDIR: 'file_not_found',
  EISDIR: 'file_not_found',
  EEXIST: 'file_exists',
  EACCES: 'file_not_allowed',
  EPERM: 'file_not_allowed',
  EROFS: 'file_not_allowed',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EFBIG: 'disk_full',
};

/** Thrown when a promise of our own code is broken; reported as INTERNAL. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Asserts a promise of our own code. Never use it to check input from outside. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new InvariantError(why);
}

/** Reads `items[index]`, which the caller knows to exist. */
export function at<T>(items: ArrayLike<T>, index: number): T {
  const item = items[index];
  if (item === undefined) throw new InvariantError(`index ${index} is outside 0..${items.length - 1}`);
  return item;
}
