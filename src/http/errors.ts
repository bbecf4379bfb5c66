// The one map between our errors and HTTP, in the form of OpenAI's API.
import { AppError, type ErrorCode, errorCatalogue, publicError, type StatusName } from '#base';

const statusCodes: { readonly [Name in StatusName]: number } = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 400,
  RESOURCE_EXHAUSTED: 429,
  ABORTED: 409,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  // Nobody reads it: the client has left.
  CANCELLED: 499,
  DEADLINE_EXCEEDED: 504,
  // Clients repeat what ends with 5xx; asking again for what is not supported helps nobody.
  UNIMPLEMENTED: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  INTERNAL: 500,
};

/** Codes for which HTTP has a status of its own. */
const ownStatus: Partial<Record<ErrorCode, number>> = { message_too_large: 413 };

/** Names of our fields that OpenAI's API calls otherwise than in snake case. */
const parameterNames: Readonly<Record<string, string>> = {
  maxNewTokens: 'max_tokens',
  ids: 'tokens',
  texts: 'input',
  minNewTokens: 'min_tokens',
};

/** What these say is wrong with the name of the model. */
const namesModel: ReadonlySet<ErrorCode> = new Set(['model_not_found', 'bad_name', 'wrong_task']);

/** Seconds after which an overloaded or restarting server is worth another try. */
const retryAfter: Readonly<Record<number, string>> = { 429: '1', 503: '2' };

export interface ErrorBody {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string };
}

export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

/** A fault of the HTTP request itself, which no error of the program stands for. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly status: 400 | 404 | 405 | 413 | 415;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: RequestFault['status'], code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** An argument that cannot be what it is. `field` is the name in the request. */
export function badField(field: string, problem: string): AppError {
  return new AppError('invalid_argument', `${field}: ${problem}`, { details: { field } });
}

/** Status, headers and body for anything that was thrown. Short, because clients log the whole body. */
export function errorReply(thrown: unknown): ErrorReply {
  if (thrown instanceof RequestFault) {
    const { status, headers, code, message } = thrown;
    return { status, headers, body: errorBody(status, message, code, null) };
  }
  const error = publicError(thrown);
  const status = ownStatus[error.code] ?? statusCodes[errorCatalogue[error.code].status];
  const retry = retryAfter[status];
  const field = error.details['field'] ?? (namesModel.has(error.code) ? 'model' : undefined);
  const message = error.message.length > 1500 ? `${error.message.slice(0, 1500)} …` : error.message;
  return {
    status,
    headers: retry === undefined ? {} : { 'retry-after': retry },
    body: errorBody(status, message, error.code, typeof field === 'string' ? parameterName(field) : null),
  };
}

function errorBody(status: number, message: string, code: string, param: string | null): ErrorBody {
  const type = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error';
  return { error: { message, type, param, code } };
}

function parameterName(field: string): string {
  return parameterNames[field] ?? field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
