// What of an error may leave the process.
import { errorCatalogue } from './error-catalogue.ts';
import { AppError } from './errors.ts';

/** Errors of the operating system and defects hold paths of the server; what the program says itself names only what the caller gave. */
export function publicError(thrown: unknown): AppError {
  if (thrown instanceof AppError && thrown.code !== 'internal') return thrown;
  const { code, message } = AppError.from(thrown);
  if (code !== 'internal') return new AppError(code, `the server: ${errorCatalogue[code].advice}`);
  return new AppError(
    'internal',
    `${message.replace(/^\[internal\] /, '').replace(/(file:\/\/)?(\/[\w@.+-]+){2,}/g, '…')} ${errorCatalogue.internal.advice}`,
  );
}
