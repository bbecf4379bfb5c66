// The error of tokenizer files, and what a JSON object is there.
import { AppError } from '#base';

export type JsonObject = Readonly<Record<string, unknown>>;

export function badTokenizer(place: string, problem: string, cause?: unknown): AppError {
  return new AppError('bad_tokenizer', `${place}: ${problem}`, cause === undefined ? {} : { cause });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
