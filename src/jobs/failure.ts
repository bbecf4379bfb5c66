// Errors as jobs store and send them, both ways.
import { AppError, type ErrorCode, errorCatalogue, InvariantError } from '#base';
import type { JobFailure } from './job.ts';

/** What is stored and sent of anything thrown; defects keep their words but not their stack. */
export function failureOf(thrown: unknown): JobFailure {
  const { code, message, details } = AppError.from(thrown);
  return { code, message, details };
}

/** The error that a stored failure stands for. */
export function failureToError({ code, message, details }: JobFailure): AppError {
  const known = isErrorCode(code) ? code : 'internal';
  const prefix = `[${code}] `;
  return new AppError(known, message.startsWith(prefix) ? message.slice(prefix.length) : message, { details });
}

export function cancelledFailure(jobId: string): JobFailure {
  return failureOf(new AppError('cancelled', `job ${jobId}: cancelled on request.`, { details: { jobId } }));
}

export function interruptedFailure(jobId: string): JobFailure {
  const message = `job ${jobId}: its process ended while it ran, and a job of this kind cannot go on. Submit it again.`;
  return failureOf(new AppError('interrupted', message, { details: { jobId } }));
}

/** The stack of a defect, for the server's log; expected errors have none worth keeping. */
export function defectStack(thrown: unknown): string | undefined {
  const isDefect = thrown instanceof InvariantError || (thrown instanceof Error && !(thrown instanceof AppError));
  return isDefect ? thrown.stack : undefined;
}

function isErrorCode(code: string): code is ErrorCode {
  return code in errorCatalogue;
}
