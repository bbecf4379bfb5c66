// Reading requests and YAML: one way to turn a fault that a schema found into an error that names the field.
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { AppError, isNestedDeeper, mostNesting } from '#base';
import { givenValue } from '#compress';

/**
 * Checks a value against a schema.
 *
 * @param place - what the value is, for example `compress`
 * @throws AppError `invalid_argument` naming the field
 */
export function checkInput<Output>(schema: z.ZodType<Output>, input: unknown, place: string): Output {
  const checked = schema.safeParse(input, { reportInput: true });
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const path = issue?.path.map(String) ?? [];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const field = [place, ...path, ...(unknown === undefined ? [] : [unknown])].join('.');
  const problem =
    unknown === undefined ? `${issue?.message ?? 'is not valid'}${issue === undefined ? '' : givenValue(issue)}` : 'there is no such field';
  throw new AppError('invalid_argument', `${field}: ${problem}.`, { details: { field } });
}

/**
 * Parses YAML, of which JSON is a part.
 *
 * @throws AppError `bad_recipe` with line and column
 */
export function parseYaml(text: string, place: string): unknown {
  const bad = (problem: string, cause?: unknown): AppError =>
    new AppError('bad_recipe', `${place}: ${problem}`, cause === undefined ? {} : { cause });
  if (text.length > mostYamlCharacters)
    throw bad(`has ${text.length} characters, more than the ${mostYamlCharacters} of any recipe. Give the recipe alone.`);
  const value = ((): unknown => {
    try {
      const document = parseDocument(text);
      // Tags of other languages are warnings there.
      const [fault] = [...document.errors, ...document.warnings];
      if (fault !== undefined) throw bad(`is not YAML: ${fault.message.split('\n')[0] ?? ''}`, fault);
      return document.toJS({ maxAliasCount: mostAliases });
    } catch (thrown) {
      if (thrown instanceof AppError) throw thrown;
      // The parser recurses, and counts what aliases become.
      throw bad(`cannot be read: aliases that multiply, or lists and objects nested deeper than ${mostNesting}. Write it out.`, thrown);
    }
  })();
  if (isNestedDeeper(value)) throw bad(`lists and objects are nested deeper than ${mostNesting}, or hold themselves. Write it out.`);
  return value;
}

/** The parser compares all keys of an object with each other. */
const mostYamlCharacters = 1 << 16;
const mostAliases = 100;
