// base: errors, results, random numbers, time and observation interfaces. May import nothing of ours.
export { type Address, parseAddress } from './address.ts';
export { chosen } from './chosen.ts';
export { type Clock, systemClock } from './clock.ts';
export { deviceFailures, type ErrorCode, type ErrorEntry, errorCatalogue, type StatusName } from './error-catalogue.ts';
export { AppError, type AppErrorOptions, at, InvariantError, invariant } from './errors.ts';
export { armFaults, faultPoint, faultPointNow } from './faults.ts';
export { LabelSet, otherLabel } from './label-set.ts';
export { nearestNames } from './nearest-name.ts';
export { isNestedDeeper, mostNesting } from './nesting.ts';
export {
  type Instrument,
  type Labels,
  type LogFields,
  type Logger,
  type Meter,
  type Reading,
  type Span,
  type SpanAttributes,
  type SpanFailure,
  type SpanOptions,
  silentLogger,
  silentTelemetry,
  type Telemetry,
  type Tracer,
} from './observe.ts';
export { type OperationContext, type Progress, quietContext, throwIfCancelled, yieldToEventLoop } from './progress.ts';
export { publicError } from './public-error.ts';
export { Random, type RandomState } from './random.ts';
export { attributes, metrics, provider, spanNames } from './telemetry-names.ts';
