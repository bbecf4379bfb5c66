// Turns an OrtStatus into an AppError with the runtime's own words, and frees it.
import { AppError, type ErrorCode } from '#base';
import { ortRuntime, type Status } from './c-api.ts';

const memoryWords = /bad_?alloc|failed to allocate memory|out of memory|_ALLOC_FAILED|available memory of .* is smaller/i;
// What CUDA (by number or in words) and WebGPU say when nothing will run on the device any more until the process starts anew.
const lostWords =
  /CUDA (?:failure|error) (?:4|46|100|214|219|220|700|709|710|714|715|716|717|718|719)\b|illegal memory access|unspecified launch failure|uncorrectable ECC|no CUDA-capable device|devices? (?:is|are) (?:busy or unavailable|lost)|device (?:was |is )?(?:lost|removed)|fallen off the bus|driver shutting down|context is destroyed/i;
// Where in its own sources the runtime failed, which helps nobody here: a path, a line and a C++ signature.
const sourcePlace = /\S*\/onnxruntime\/\S+\.(?:cc|h):\d+ [^()]*\([^()]*\)(?:::<lambda\(\)>| const)* /g;
const terminateWords = /terminate flag/i;

/** The catalogue code for a message of the runtime. */
export function codeForMessage(message: string): ErrorCode {
  if (terminateWords.test(message)) return 'cancelled';
  if (memoryWords.test(message)) return 'out_of_memory';
  if (lostWords.test(message)) return 'device_lost';
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
  const remedy = code === 'device_lost' ? ' Nothing runs on it any more in this process: look at the driver, and restart the server.' : '';
  return new AppError(code, `${place}: ${words}${/[.!?]$/.test(words) ? '' : '.'}${remedy}`, { details: { runtimeCode: number } });
}

/** @throws AppError `engine_failure` | `out_of_memory` | `device_lost` | `cancelled` */
export function checkStatus(status: Status, place: string): void {
  if (status !== null) throw errorFromStatus(status, place);
}
