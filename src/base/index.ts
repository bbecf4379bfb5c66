// base: errors, results, random numbers, time and observation interfaces. May import nothing of ours.
export { chosen } from './chosen.ts';
export { type Clock, systemClock } from './clock.ts';
export { type ErrorCode, type ErrorEntry, errorCatalogue, type StatusName } from './error-catalogue.ts';
export { AppError, type AppErrorOptions, at, InvariantError, invariant } from './errors.ts';
export { type LogFields, type Logger, silentLogger } from './observe.ts';
export { type OperationContext, type Progress, quietContext, throwIfCancelled, yieldToEventLoop } from './progress.ts';
export { publicError } from './public-error.ts';
export { Random, type RandomState } from './random.ts';
