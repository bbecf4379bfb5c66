// The one map between our errors and gRPC status, both ways.
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { AppError, type ErrorCode, errorCatalogue, publicError, type StatusName } from '#base';
import { decodeStatusDetails, detailsKey, encodeStatusDetails } from './status-details.ts';

const statusNumbers: { readonly [Name in StatusName]: status } = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  ABORTED: status.ABORTED,
  UNAVAILABLE: status.UNAVAILABLE,
  DATA_LOSS: status.DATA_LOSS,
  CANCELLED: status.CANCELLED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  INTERNAL: status.INTERNAL,
};

const domain = 'athanor';

/** Trailers share one header block of about 8 KiB with everything else, and percent-encoding triples what is not ASCII. */
const longestMessage = 1500;
const longestValue = 300;

/** A status that grpc-js sends, with the code and the values behind the message as details. */
export function toStatus(thrown: unknown): StatusObject & Error {
  const error = publicError(thrown);
  const code = statusNumbers[errorCatalogue[error.code].status];
  const message = shorten(error.message, longestMessage);
  const values = Object.entries(error.details).map(([key, value]) => [key, shorten(String(value), longestValue)] as const);
  const field = error.details['field'];
  const metadata = new Metadata();
  const details = {
    status: code,
    message,
    reason: error.code,
    domain,
    metadata: Object.fromEntries(values),
    ...retryAdvice(error),
    fieldViolations: typeof field === 'string' ? [{ field: shorten(field, longestValue), description: message }] : [],
  };
  metadata.set(detailsKey, encodeStatusDetails(details));
  return Object.assign(new Error(message), { code, details: message, metadata });
}

/** How long to wait, where the error says so. */
function retryAdvice({ details }: AppError): { readonly retryDelayMs?: number } {
  const retryAfterMs = details['retryAfterMs'];
  return typeof retryAfterMs === 'number' ? { retryDelayMs: retryAfterMs } : {};
}

/** The error that a status from a server stands for. */
export function fromStatus(error: ServiceError): AppError {
  const [bytes] = error.metadata?.get(detailsKey) ?? [];
  const details = bytes instanceof Uint8Array ? decodeStatusDetails(bytes) : undefined;
  if (details !== undefined && details.domain === domain && isErrorCode(details.reason)) {
    const prefix = `[${details.reason}] `;
    const message = details.message.startsWith(prefix) ? details.message.slice(prefix.length) : details.message;
    return new AppError(details.reason, message, { details: details.metadata });
  }
  const code = plainCode(error);
  const advice = code === 'message_too_large' ? ` ${errorCatalogue[code].advice}` : '';
  return new AppError(code, `${error.details.replace(/\.$/, '')}.${advice}`, { cause: error });
}

/** Statuses that gRPC itself makes carry no details. */
function plainCode({ code, details }: ServiceError): ErrorCode {
  if (code === status.RESOURCE_EXHAUSTED && /larger than/i.test(details)) return 'message_too_large';
  const codes: Partial<Record<status, ErrorCode>> = {
    [status.CANCELLED]: 'cancelled',
    [status.DEADLINE_EXCEEDED]: 'deadline_exceeded',
    [status.UNAVAILABLE]: 'unavailable',
    [status.UNIMPLEMENTED]: 'unsupported',
    [status.INVALID_ARGUMENT]: 'invalid_argument',
  };
  return codes[code] ?? 'internal';
}

/** What the caller sent may hold half a character, and a cut may leave one: percent-encoding would throw, and no status be sent. */
function shorten(message: string, length: number): string {
  return (message.length <= length ? message : `${message.slice(0, length)} …`).toWellFormed();
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code);
}
