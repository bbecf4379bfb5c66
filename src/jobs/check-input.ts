// Reading requests and YAML: one way to turn a fault that a schema found into an error that names the field.
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { AppError } from '#base';
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
  const document = parseDocument(text, { maxAliasCount: 100 } as Parameters<typeof parseDocument>[1]);
  const [fault] = document.errors;
  if (fault !== undefined)
    throw new AppError('bad_recipe', `${place}: is not YAML: ${fault.message.split('\n')[0] ?? ''}`, { cause: fault });
  return document.toJS({ maxAliasCount: 100 });
}
