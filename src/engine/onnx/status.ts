// Turns an OrtStatus into an AppError with the runtime's own words, and frees it.
import { AppError, type ErrorCode } from '#base';
import { ortRuntime, type Status } from './c-api.ts';

const memoryWords = /bad_?alloc|failed to allocate memory|out of memory|available memory of .* is smaller/i;
// Where in its own sources the runtime failed, which helps nobody here: a path, a line and a C++ signature.
const sourcePlace = /\S*\/onnxruntime\/\S+\.(?:cc|h):\d+ [^()]*\([^()]*\)(?:::<lambda\(\)>| const)* /g;
const terminateWords = /terminate flag/i;

/** The catalogue code for a message of the runtime. */
export function codeForMessage(message: string): ErrorCode {
  if (terminateWords.test(message)) return 'cancelled';
  if (memoryWords.test(message)) return 'out_of_memory';
  return 'engine_failure';
}

/** Builds the error for a failed status, which is freed. `place` names what was being done. */
function errorFromStatus(status: bigint, place: string): AppError {
  const { api } = ortRuntime();
  const number = api.GetErrorCode(status);
  const words = api.GetErrorMessage(status).replaceAll(sourcePlace, '').trim();
  api.ReleaseStatus(status);
  const code = codeForMessage(words);
  if (code === 'cancelled') return new AppError(code, `${place}: the run was stopped on request.`);
  return new AppError(code, `${place}: ${words}${/[.!?]$/.test(words) ? '' : '.'}`, { details: { runtimeCode: number } });
}

/** @throws AppError `engine_failure` | `out_of_memory` | `cancelled` */
export function checkStatus(status: Status, place: string): void {
  if (status !== null) throw errorFromStatus(status, place);
}
