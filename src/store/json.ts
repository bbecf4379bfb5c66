// Reading JSON files from outside: checked UTF-8, checked JSON, no key twice, errors under the caller's code.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { AppError, type ErrorCode, isNestedDeeper, mostNesting } from '#base';

/** Anything that JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** Checks that a value is plain JSON. */
export const jsonValueSchema: z.ZodType<JsonValue> = z.json();
export const jsonObjectSchema: z.ZodType<JsonObject> = z.record(z.string(), z.json());

/**
 * Parses bytes as JSON.
 *
 * @param place - what the errors call the text, for example `config.json`
 * @throws AppError `code` when it is not UTF-8, not JSON, nested too deep, or an object has a key twice
 */
export function parseJson(bytes: Uint8Array, code: ErrorCode, place: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError(code, `${place}: ${bytes.length} bytes that are not UTF-8 text. Write or download the file again.`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(code, `${place}: not JSON (${reason.slice(0, 200)}). Write or download the file again.`, { cause });
  }
  if (isNestedDeeper(value))
    throw new AppError(code, `${place}: lists and objects are nested deeper than ${mostNesting}. Write or download the file again.`);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new AppError(code, `${place}: the key "${twice}" is there twice. Write or download the file again.`);
  return value;
}

/** Reads a JSON file. @throws AppError `file_not_found` | `file_not_allowed` | `code` */
export async function readJsonFile(path: string, code: ErrorCode): Promise<unknown> {
  return parseJson(await readBytes(path), code, basename(path));
}

/** Reads a whole small file. @throws AppError `file_not_found` | `file_not_allowed` */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw readFailure(path, thrown);
  }
}

/** Names the file in an error of the operating system. */
export function readFailure(path: string, thrown: unknown): AppError {
  const error = AppError.from(thrown);
  const explanation =
    error.code === 'file_not_found'
      ? 'there is no such file or folder'
      : error.code === 'file_not_allowed'
        ? 'reading is not permitted'
        : undefined;
  if (explanation === undefined || thrown instanceof AppError) return error;
  return new AppError(error.code, `${path}: ${explanation}. Check the path; the program reads it where it runs.`, { cause: thrown });
}

/**
 * Checks a parsed value against a schema.
 *
 * @throws AppError `code` naming the first wrong field, what was found there and what is expected
 */
export function checkJson<Output>(schema: z.ZodType<Output>, value: unknown, code: ErrorCode, place: string): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  const found = JSON.stringify(fieldOf(value, issue?.path ?? []));
  const what = issue?.message.replace(/^Invalid input: /, '') ?? 'invalid';
  throw new AppError(
    code,
    `${place}${field === '' ? '' : `: ${field}`}: ${what}, found ${found?.slice(0, 200) ?? 'nothing'}. Correct the field.`,
    {
      details: { field },
    },
  );
}

function fieldOf(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = Object.entries(found).find(([name]) => name === String(key))?.[1];
  }
  return found;
}

/** The first key that one object of a valid JSON text has twice: `JSON.parse` keeps the last and says nothing. */
function duplicateKey(text: string): string | undefined {
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g;
  const keysOfOpenObjects: (Set<string> | undefined)[] = [];
  const afterString = /\s*:/y;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const token = match[0];
    if (token === '{') keysOfOpenObjects.push(new Set());
    else if (token === '[') keysOfOpenObjects.push(undefined);
    else if (token === '}' || token === ']') keysOfOpenObjects.pop();
    else {
      afterString.lastIndex = tokens.lastIndex;
      if (!afterString.test(text)) continue;
      const key: unknown = JSON.parse(token);
      const keys = keysOfOpenObjects.at(-1);
      if (typeof key !== 'string' || keys === undefined) continue;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** One text for equal values: keys sorted, no spaces. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
